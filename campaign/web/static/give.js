// Shows the match for the typed amount before payment, and refreshes the progress and the remaining match. The form works without it.
(() => {
  const form = document.getElementById("give-form");
  if (!form) return;
  const amount = form.elements.amount;
  const expected = form.elements.expected_match;
  const byId = (id) => document.getElementById(id);
  const button = form.querySelector("button[type=submit]");
  const REFRESH_MS = 8000;
  // A match that was quoted to this donor for this amount is not replaced by the general quote.
  let ownFor = form.dataset.own ? amount.value : null;
  let latest = 0;
  let timer;
  let submitted = false;

  const presets = () => [...document.querySelectorAll("[data-amount]")];
  const mark = () => presets().forEach((preset) => {
    if (preset.dataset.amount === amount.value.trim()) preset.setAttribute("aria-current", "true");
    else preset.removeAttribute("aria-current");
  });
  const setText = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const shown = new Map();
  const setHtml = (element, html) => {
    if (!element || element.contains(document.activeElement) || shown.get(element) === html) return;
    shown.set(element, html);
    element.innerHTML = html;
  };

  const refresh = async () => {
    const current = ++latest;
    try {
      const response = await fetch(`${form.dataset.quote}?amount=${encodeURIComponent(amount.value)}`);
      if (!response.ok) return;
      const data = await response.json();
      if (current !== latest || submitted) return;
      const claim = byId("claim");
      setText(claim, data.claim);
      claim.hidden = !data.claim;
      setText(byId("held-while-paying"), data.held_while_paying);
      setHtml(byId("progress"), data.progress);
      setHtml(byId("presets"), data.presets);
      mark();
      if (ownFor !== null && ownFor === amount.value) return;
      setText(byId("quote"), data.quote);
      expected.value = data.match_cents === null ? "" : data.match_cents;
      setText(button, data.button);
      if (byId("fee-sum") && data.fee) setText(byId("fee-sum"), data.fee);
    } catch {
      // No response: nothing is promised, and the service decides when the form is submitted.
    }
  };

  const changed = () => {
    expected.value = "";
    ownFor = null;
    mark();
    clearTimeout(timer);
    timer = setTimeout(refresh, 200);
  };

  amount.addEventListener("input", changed);
  byId("presets").addEventListener("click", (event) => {
    const preset = event.target.closest("[data-amount]");
    if (!preset) return;
    event.preventDefault();
    amount.value = preset.dataset.amount;
    changed();
    amount.focus();
  });
  setInterval(() => { if (!document.hidden && !submitted) refresh(); }, REFRESH_MS);

  // In the other language the page shows what was typed so far.
  const isTyped = () => [...form.querySelectorAll("input:not([type=hidden]), textarea")].some((field) =>
    field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== "");
  byId("other-language").addEventListener("click", (event) => {
    if (!isTyped()) return;
    event.preventDefault();
    form.action = event.currentTarget.href;
    form.submit();
  });

  form.addEventListener("submit", (event) => {
    if (submitted) { event.preventDefault(); return; }
    submitted = true;
    button.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", () => {
    submitted = false;
    button.removeAttribute("aria-busy");
  });
  mark();
  const alertBox = form.querySelector("[role=alert]");
  if (alertBox) alertBox.focus();
})();
