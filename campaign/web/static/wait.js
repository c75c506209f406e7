// The donor returned before the payment was confirmed: poll every few seconds, and reload the page when the state has changed.
(() => {
  const waiting = document.getElementById("waiting");
  if (!waiting) return;
  const FOLLOWED_LINK_MS = 15000;
  let polls = 0;
  let followed = 0;
  // A reload would cancel a link that the donor has just followed. Where the link only downloads a file, the page stays and reloads later.
  addEventListener("beforeunload", () => { followed = Date.now(); });
  const hasChanged = (status) => (status.state && status.state !== waiting.dataset.state) || (waiting.dataset.receipt === "no" && status.receipt);
  // A message that says what was done is read first.
  const READING_MS = 20000;
  const opened = Date.now();
  const isReading = () => document.getElementById("done") && Date.now() - opened < READING_MS;
  const poll = async () => {
    polls += 1;
    try {
      const status = await (await fetch(waiting.dataset.json)).json();
      if (hasChanged(status) && Date.now() - followed > FOLLOWED_LINK_MS && !isReading()) { location.reload(); return; }
    } catch {
      // Temporarily unavailable: poll again.
    }
    if (polls < 200) setTimeout(poll, polls < 20 ? 2000 : 6000);
  };
  setTimeout(poll, 1500);

  // Shortly before the payment page ends, the donor is told, and can have more time.
  const time = document.getElementById("time-to-pay");
  if (!time) return;
  const warning = time.querySelector("[role=alert] p");
  const left = new Date(time.dataset.until) - Date.now() - Number(time.dataset.warns) * 1000;
  setTimeout(() => { warning.hidden = false; }, Math.max(left, 0));
})();
