// The page of recovery codes: copy them all, or print the page. Without JavaScript they can be selected or downloaded.
(() => {
  const copy = document.getElementById("copy-codes"), print = document.getElementById("print-codes");
  const codes = [...document.querySelectorAll("#codes code")].map((code) => code.textContent);
  const copied = document.getElementById("copied");
  copy.hidden = print.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(codes.join("\n"));
      copied.textContent = copy.dataset.done;
    } catch {
      copied.textContent = copy.dataset.failed;
    }
  });
  print.addEventListener("click", () => window.print());
})();
