// Shows the match for the typed amount before payment, refreshes the progress and the remaining match, leads through the form in two steps on a
// phone, and computes the proof of work that is asked for while somebody tries stolen cards. The form works without it.
(() => {
  const form = document.getElementById("give-form");
  if (!form) return;
  document.documentElement.classList.add("has-scripts");
  const amount = form.elements.amount;
  const expected = form.elements.expected_match;
  const byId = (id) => document.getElementById(id);
  const button = form.querySelector(".submit");
  const next = byId("next");
  const POLL_MS = 15000;
  const RETRY_MS = 60000;
  const SPREAD_MS = 1500;
  const SAY_MS = 1000;
  // A match that was quoted to this donor for this amount is not replaced by the general quote.
  const chosen = () => `${amount.value} ${form.elements.frequency.value}`;
  let ownFor = form.dataset.own ? chosen() : null;
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
  const mark = () => presets().forEach((preset) => { preset.checked = preset.dataset.amount === amount.value.trim(); });
  const setText = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const shown = new Map();
  const setHtml = (element, html) => {
    if (!element || element.contains(document.activeElement) || shown.get(element) === html) return;
    shown.set(element, html);
    element.innerHTML = html;
  };

  const showParts = (parts) => {
    const claim = byId("claim");
    setText(claim, parts.claim);
    claim.hidden = !parts.claim;
    setText(byId("held-while-paying"), parts.held_while_paying);
    setHtml(byId("progress"), parts.progress);
    setHtml(byId("sums"), parts.sums);
    setHtml(byId("presets"), parts.presets);
    mark();
  };

  const refresh = async () => {
    const current = ++latest;
    try {
      const asked = new URLSearchParams({ amount: amount.value, frequency: form.elements.frequency.value });
      const response = await fetch(`${form.dataset.quote}?${asked}`);
      if (!response.ok) return null;
      const data = await response.json();
      if (current !== latest || submitted) return data;
      proofBits = data.proof_bits;
      solveSoon();
      showParts(data);
      if (ownFor !== null && ownFor === chosen()) return data;
      setText(byId("quote"), data.quote);
      sayLater(data.quote);
      setText(byId("chosen"), data.quote || data.button);
      expected.value = data.match_cents === null ? "" : data.match_cents;
      form.elements.expected_for.value = data.gift_cents ?? "";
      setText(button, data.button);
      setText(next, data.next);
      if (byId("fee-sum") && data.fee) setText(byId("fee-sum"), data.fee);
      setText(byId("fee-total"), data.total);
      return data;
    } catch {
      return null; // Nothing is promised, and the service decides when the form is submitted.
    }
  };

  // Read aloud once the donor pauses: not each digit.
  let saying;
  const sayLater = (text) => {
    clearTimeout(saying);
    saying = setTimeout(() => setText(byId("quote-said"), text), SAY_MS);
  };

  const showAmountError = (text) => {
    let error = byId("amount-error");
    if (!error) {
      error = document.createElement("span");
      error.className = "error";
      error.id = "amount-error";
      amount.after(error);
    }
    error.textContent = text;
    amount.setAttribute("aria-describedby", text ? "amount-error amount-help" : "amount-help");
    if (text) amount.setAttribute("aria-invalid", "true");
    else amount.removeAttribute("aria-invalid");
  };

  const changed = () => {
    expected.value = "";
    ownFor = null;
    if (amount.hasAttribute("aria-invalid")) showAmountError("");
    mark();
    clearTimeout(timer);
    timer = setTimeout(refresh, 200);
  };

  amount.addEventListener("input", changed);
  amount.addEventListener("change", async () => {
    if (!amount.value.trim()) return;
    const asked = amount.value;
    const data = await refresh();
    if (data?.amount_error && amount.value === asked) showAmountError(data.amount_error);
  });
  byId("presets").addEventListener("change", (event) => {
    amount.value = event.target.dataset.amount;
    changed();
  });
  byId("frequency").addEventListener("change", changed);

  // On a phone: first the gift, then the person. The browser's own way back leads from the second step to the first.
  const phone = matchMedia("(max-width: 40rem)");
  const showStep = (step, { moves = true } = {}) => {
    form.dataset.step = step;
    if (!moves || !phone.matches) return;
    byId("give").scrollIntoView();
    const heading = byId(step === 2 ? "you" : "give");
    heading.tabIndex = -1; // Not before: the #give of the address would take the focus.
    heading.focus({ preventScroll: true });
  };
  const isOfPerson = (name) => Boolean(byId(name)?.closest(".of-person"));
  const goToPerson = async () => {
    clearTimeout(timer);
    next.setAttribute("aria-busy", "true");
    const data = await refresh();
    next.removeAttribute("aria-busy");
    if (data?.amount_error) {
      showAmountError(data.amount_error);
      amount.focus();
      return;
    }
    history.pushState({ step: 2 }, "");
    showStep(2);
  };
  next.addEventListener("click", goToPerson);
  byId("change").addEventListener("click", () => { if (history.state?.step === 2) history.back(); else showStep(1); });
  window.addEventListener("popstate", (event) => showStep(event.state?.step || 1));
  // What is wrong may be in the step that is not shown.
  form.querySelector("[role=alert]")?.addEventListener("click", (event) => {
    const name = event.target.closest("a")?.hash.slice(1);
    const named = name && form.elements[name];
    if (!named) return;
    event.preventDefault();
    showStep(isOfPerson(name) ? 2 : 1, { moves: false });
    (named.length && named[0].type === "radio" ? named[0] : named).focus();
  });
  const isComplete = form.elements.attempt.value && form.querySelector(".notice, .code") && !form.dataset.firstError;
  const isFilledIn = form.elements.email.value !== "" && !form.dataset.firstError; // As in the other language, and when giving again.
  showStep(isComplete || isFilledIn || isOfPerson(form.dataset.firstError) ? 2 : 1, { moves: false });

  // The button that leads to the form is of no use where the form is in sight.
  new IntersectionObserver(([entry]) => document.body.classList.toggle("form-is-in-sight", entry.isIntersecting), { rootMargin: "0px 0px -96px" }).observe(form);

  // The first letter of a Canadian postal code is that of one province, but for X.
  const PROVINCES = { A: "NL", B: "NS", C: "PE", E: "NB", G: "QC", H: "QC", J: "QC", K: "ON", L: "ON", M: "ON", N: "ON", P: "ON", R: "MB", S: "SK", T: "AB", V: "BC", Y: "YT" };
  const { postal_code: postalCode, country, province } = form.elements;
  let isOwnProvince = province.value !== "";
  province.addEventListener("change", () => { isOwnProvince = true; });
  postalCode.addEventListener("input", () => {
    const found = country.value === "CA" && PROVINCES[postalCode.value.trim().charAt(0).toUpperCase()];
    if (found && !isOwnProvince) province.value = found;
  });
  const showRegion = () => {
    const region = province.closest(".of-region");
    region.hidden = !["CA", "US"].includes(country.value) && !region.querySelector(".error");
    if (region.hidden) province.value = "";
  };
  country.addEventListener("change", showRegion);
  showRegion();

  // The page follows the campaign by a stream. A typed amount is quoted anew after each change, not by all pages at once. Where no stream can be
  // had, the page asks now and then, and tries again later.
  const isInUse = () => !document.hidden && !submitted;
  let polling = null;
  const poll = () => { polling = polling || setInterval(() => { if (isInUse()) refresh(); }, POLL_MS); };
  let source = null;
  const follow = () => {
    source = new EventSource(form.dataset.stream);
    source.addEventListener("page", (event) => {
      clearInterval(polling);
      polling = null;
      if (submitted) return;
      showParts(JSON.parse(event.data));
      if (amount.value) setTimeout(() => { if (isInUse()) refresh(); }, Math.random() * SPREAD_MS);
    });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return; // The browser connects again by itself.
      poll();
      setTimeout(follow, RETRY_MS);
    };
  };
  if (window.EventSource) follow();
  else poll();

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
    if (phone.matches && form.dataset.step === "1") {
      event.preventDefault();
      goToPerson();
      return;
    }
    if (proofBits && proof.value === FOLLOWS) {
      event.preventDefault();
      goOn(event.submitter);
      return;
    }
    submitted = true;
    button.setAttribute("aria-busy", "true");
  });
  // By the browser's own way back from the payment page: whether the gift was paid is not known here.
  const showBack = () => {
    byId("came-back").hidden = false;
    showStep(2, { moves: false });
    byId("give").scrollIntoView();
  };
  window.addEventListener("load", () => setTimeout(() => { // The browser has put back what was typed by then.
    const [visit] = performance.getEntriesByType("navigation");
    if (visit?.type === "back_forward" && form.elements.email.value && !form.querySelector("[role=alert]")) showBack();
  }));
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    if (source) follow();
    if (submitted) showBack();
    submitted = false;
    button.removeAttribute("aria-busy");
    setText(byId("checking"), "");
  });
  // What was chosen before this script came, and what the browser restored, is in the form by now.
  const early = presets().find((preset) => preset.checked);
  if (!amount.value && early) amount.value = early.dataset.amount;
  mark();
  if (amount.value && amount.value !== amount.defaultValue) refresh();
  const alertBox = form.querySelector("[role=alert]");
  const focusAlert = () => { if (alertBox && document.activeElement === document.body) alertBox.focus(); };
  focusAlert();
  window.addEventListener("load", focusAlert);
  // And once more: going to the #give of the address takes the focus away, before or after the page has loaded.
  let hasActed = false;
  for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, () => { hasActed = true; }, { once: true });
  alertBox?.addEventListener("blur", () => { if (!hasActed) setTimeout(focusAlert); });
  if (form.dataset.resumes) goOn(null);
})();
