// Shows the match for the typed amount before payment, refreshes the progress and the remaining match, and computes the proof of work that is asked
// for while somebody tries stolen cards. The form works without it.
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
  // Says that the script runs, so that no code need be mailed; it becomes the counter once that is found.
  const FOLLOWS = "follows";
  const GIVE_UP_MS = 60000;
  const proof = form.elements.proof;
  let proofBits = Number(form.dataset.proofBits);
  let solving = null;
  let used = false;
  if (!proof.value && !form.elements.code) proof.value = FOLLOWS;

  // Resolves when the proof is in the form, or when it cannot be computed here: then the service mails a code.
  const solve = () => {
    solving = solving || new Promise((resolve) => {
      const finish = (counter) => {
        proof.value = counter;
        resolve();
      };
      try {
        const worker = new Worker(form.dataset.proofScript);
        const end = (counter) => { worker.terminate(); finish(counter); };
        const timeout = setTimeout(() => end(""), GIVE_UP_MS);
        worker.onmessage = (message) => { clearTimeout(timeout); end(message.data); };
        worker.onerror = () => { clearTimeout(timeout); end(""); };
        worker.postMessage({ challenge: form.elements.attempt.value, bits: proofBits });
      } catch {
        finish("");
      }
    });
    return solving;
  };
  const solveSoon = () => { if (proofBits && used && proof.value === FOLLOWS) solve(); };
  for (const kind of ["input", "focusin", "click"]) form.addEventListener(kind, () => { used = true; solveSoon(); });

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
      proofBits = data.proof_bits;
      solveSoon();
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

  const goOn = async (submitter) => {
    submitted = true;
    button.setAttribute("aria-busy", "true");
    if (!form.dataset.resumes) setText(byId("checking"), byId("checking").dataset.text);
    await solve();
    submitted = false;
    if (form.requestSubmit) form.requestSubmit(submitter);
    else form.submit();
  };
  form.addEventListener("submit", (event) => {
    if (submitted) { event.preventDefault(); return; }
    if (proofBits && proof.value === FOLLOWS) {
      event.preventDefault();
      goOn(event.submitter);
      return;
    }
    submitted = true;
    button.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    submitted = false;
    button.removeAttribute("aria-busy");
    setText(byId("checking"), "");
  });
  mark();
  const alertBox = form.querySelector("[role=alert]");
  // And once more, as going to the #give of the address takes the focus away.
  const focusAlert = () => { if (alertBox && document.activeElement === document.body) alertBox.focus(); };
  focusAlert();
  window.addEventListener("load", focusAlert);
  if (form.dataset.resumes) goOn(null);
})();
