// Passkeys: makes one, or has one sign, and sends the answer in the button's form. What went wrong is said beside the button.
(() => {
  const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const textOf = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  const withIds = (list) => (list || []).map((one) => ({ ...one, id: bytesOf(one.id) }));

  const create = async (options) => {
    const user = { ...options.user, id: bytesOf(options.user.id) };
    const publicKey = { ...options, user, challenge: bytesOf(options.challenge), excludeCredentials: withIds(options.excludeCredentials) };
    const made = await navigator.credentials.create({ publicKey });
    const { clientDataJSON, attestationObject } = made.response;
    const transports = made.response.getTransports ? made.response.getTransports() : [];
    return [made, { clientDataJSON: textOf(clientDataJSON), attestationObject: textOf(attestationObject), transports }];
  };

  const sign = async (options) => {
    const publicKey = { ...options, challenge: bytesOf(options.challenge), allowCredentials: withIds(options.allowCredentials) };
    const signed = await navigator.credentials.get({ publicKey });
    const { clientDataJSON, authenticatorData, signature } = signed.response;
    return [signed, { clientDataJSON: textOf(clientDataJSON), authenticatorData: textOf(authenticatorData), signature: textOf(signature) }];
  };

  const sentence = (error, texts) => {
    if (error.name === "NotAllowedError" || error.name === "AbortError") return texts.cancelled;
    return error.name === "InvalidStateError" ? texts.known : texts.failed;
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const use = form.dataset.passkey, button = form.querySelector("button[data-options]"), shown = form.querySelector("[data-passkey-error]");
    if (!button) continue;
    button.hidden = false;
    if (use === "add") form.addEventListener("submit", (event) => { event.preventDefault(); button.click(); });
    button.addEventListener("click", async () => {
      shown.textContent = "";
      const name = use === "add" ? form.elements.name : null;
      if (name && !name.value.trim()) { shown.textContent = button.dataset.missing; name.focus(); return; }
      if (!window.PublicKeyCredential) { shown.textContent = button.dataset.failed; return; }
      button.disabled = true;
      try {
        const [credential, response] = await (use === "add" ? create : sign)(JSON.parse(button.dataset.options));
        const answer = { id: credential.id, rawId: textOf(credential.rawId), type: credential.type, response };
        form.elements[`${use}_answer`].value = JSON.stringify(answer);
        HTMLFormElement.prototype.submit.call(form); // A field may be called "submit".
      } catch (error) {
        shown.textContent = sentence(error, button.dataset);
        button.disabled = false;
      }
    });
  }
})();
