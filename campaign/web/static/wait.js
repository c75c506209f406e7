// The donor came back before the payment was heard of: look every few seconds, and show the page anew when something has changed.
(() => {
  const waiting = document.getElementById("waiting");
  if (!waiting) return;
  let looks = 0;
  const look = async () => {
    looks += 1;
    try {
      const found = await (await fetch(waiting.dataset.json)).json();
      if (found.state && found.state !== waiting.dataset.state) { location.reload(); return; }
      if (waiting.dataset.receipt === "no" && found.receipt) { location.reload(); return; }
    } catch {
      // Away for a moment: look again.
    }
    if (looks < 200) setTimeout(look, looks < 20 ? 2000 : 6000);
  };
  setTimeout(look, 1500);
})();
