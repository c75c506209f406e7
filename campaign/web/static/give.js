// While the donor chooses a sum, ask the service what it becomes and say so before paying. The form works without any of this.
(() => {
  const form = document.getElementById("give-form");
  if (!form) return;
  const amount = form.elements.amount;
  const expected = form.elements.expected_match;
  const quote = document.getElementById("quote");
  const button = form.querySelector("button[type=submit]");
  const fee = document.getElementById("fee-sum");
  const presets = [...document.querySelectorAll("[data-amount]")];
  let asked = 0;
  let timer;

  const mark = () => presets.forEach((preset) => {
    if (preset.dataset.amount === amount.value.trim()) preset.setAttribute("aria-current", "true");
    else preset.removeAttribute("aria-current");
  });

  const ask = async () => {
    const mine = ++asked;
    try {
      const answer = await fetch(`${form.dataset.quote}?amount=${encodeURIComponent(amount.value)}`);
      const found = await answer.json();
      if (mine !== asked) return;
      quote.textContent = found.quote;
      expected.value = found.match_cents === null ? "" : found.match_cents;
      button.textContent = found.button;
      if (fee && found.fee) fee.textContent = found.fee;
    } catch {
      // No answer: nothing is promised, and the service decides when the form comes.
    }
  };

  const changed = () => {
    expected.value = "";
    mark();
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  };

  amount.addEventListener("input", changed);
  presets.forEach((preset) => preset.addEventListener("click", (event) => {
    event.preventDefault();
    amount.value = preset.dataset.amount;
    changed();
    amount.focus();
  }));

  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) { event.preventDefault(); return; }
    sent = true;
    button.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => {
    sent = false;
    button.removeAttribute("aria-busy");
  });
  mark();
  const said = form.querySelector("[role=alert]");
  if (said) said.focus();
})();
