// The donor returned before the payment was confirmed: poll every few seconds, and reload the page when the state has changed.
(() => {
  const waiting = document.getElementById("waiting");
  if (!waiting) return;
  let polls = 0;
  const poll = async () => {
    polls += 1;
    try {
      const status = await (await fetch(waiting.dataset.json)).json();
      if (status.state && status.state !== waiting.dataset.state) { location.reload(); return; }
      if (waiting.dataset.receipt === "no" && status.receipt) { location.reload(); return; }
    } catch {
      // Temporarily unavailable: poll again.
    }
    if (polls < 200) setTimeout(poll, polls < 20 ? 2000 : 6000);
  };
  setTimeout(poll, 1500);
})();
