// "Copy" and "Share": both buttons are hidden without scripts. The text is in a field that can be selected and copied by hand.
(() => {
  const statusOf = (button) => button.parentElement.querySelector("[role=status]");
  for (const button of document.querySelectorAll("[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(field.value);
        statusOf(button).textContent = button.dataset.copied;
      } catch {
        field.focus();
        field.select();
        statusOf(button).textContent = button.dataset.failed;
      }
    });
  }
  const share = document.querySelector("[data-share]");
  if (!share || !navigator.share) return;
  const { shareUrl, shareText, shareTitle } = share.closest("[data-share-url]").dataset;
  share.hidden = false;
  share.addEventListener("click", () => navigator.share({ title: shareTitle, text: shareText, url: shareUrl }).catch(() => {}));
})();
