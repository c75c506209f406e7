// While the donor chooses a sum, ask the service what it becomes and say so before paying; and keep what is left of the match up to date.
// The form works without any of this.
(() => {
  const form = document.getElementById("give-form");
  if (!form) return;
  const amount = form.elements.amount;
  const expected = form.elements.expected_match;
  const by = (id) => document.getElementById(id);
  const button = form.querySelector("button[type=submit]");
  const LOOK_AGAIN_MS = 8000;
  // A promise made to this donor alone, for this sum, is not replaced by what anybody would be quoted.
  let ownFor = form.dataset.own ? amount.value : null;
  let asked = 0;
  let timer;
  let sent = false;

  const presets = () => [...document.querySelectorAll("[data-amount]")];
  const mark = () => presets().forEach((preset) => {
    if (preset.dataset.amount === amount.value.trim()) preset.setAttribute("aria-current", "true");
    else preset.removeAttribute("aria-current");
  });
  const say = (element, words) => { if (element && element.textContent !== words) element.textContent = words; };
  const shown = new Map();
  const show = (element, html) => {
    if (!element || element.contains(document.activeElement) || shown.get(element) === html) return;
    shown.set(element, html);
    element.innerHTML = html;
  };

  const ask = async () => {
    const mine = ++asked;
    try {
      const answer = await fetch(`${form.dataset.quote}?amount=${encodeURIComponent(amount.value)}`);
      if (!answer.ok) return;
      const found = await answer.json();
      if (mine !== asked || sent) return;
      const claim = by("claim");
      say(claim, found.claim);
      claim.hidden = !found.claim;
      say(by("held-while-paying"), found.held_while_paying);
      show(by("progress"), found.progress);
      show(by("presets"), found.presets);
      mark();
      if (ownFor !== null && ownFor === amount.value) return;
      say(by("quote"), found.quote);
      expected.value = found.match_cents === null ? "" : found.match_cents;
      say(button, found.button);
      if (by("fee-sum") && found.fee) say(by("fee-sum"), found.fee);
    } catch {
      // No answer: nothing new is promised, and the service decides when the form comes.
    }
  };

  const changed = () => {
    expected.value = "";
    ownFor = null;
    mark();
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  };

  amount.addEventListener("input", changed);
  by("presets").addEventListener("click", (event) => {
    const preset = event.target.closest("[data-amount]");
    if (!preset) return;
    event.preventDefault();
    amount.value = preset.dataset.amount;
    changed();
    amount.focus();
  });
  setInterval(() => { if (!document.hidden && !sent) ask(); }, LOOK_AGAIN_MS);

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
