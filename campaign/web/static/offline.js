// Offers the name and address of a donor who is known, by email address, or by name and postal code. What was typed stays until somebody chooses.
(() => {
  const form = document.getElementById("gift");
  if (form === null) return;
  const found = document.getElementById("found");
  const asked = ["email", "last_name", "organization", "postal_code"];
  const filled = [
    ...["first_name", "last_name", "organization", "email", "address_line1", "address_line2"],
    ...["city", "province", "postal_code", "country", "donor_language"],
  ];
  const forget = () => {
    form.querySelectorAll("input[type=hidden][name=donor]").forEach((chosen) => chosen.remove());
    form.querySelectorAll("input[type=radio][name=donor]").forEach((answer) => (answer.checked = false));
  };
  const choose = (donor) => {
    for (const name of filled) if (donor[name] || name === "address_line2") form.elements[name].value = donor[name];
    forget();
    const input = document.createElement("input");
    Object.assign(input, { type: "hidden", name: "donor", value: donor.id });
    form.append(input);
    found.replaceChildren();
    last = key();
    form.querySelector("button[type=submit]").focus();
  };
  const key = () => asked.map((name) => form.elements[name].value.trim().toLowerCase()).join("\n");
  let last = key();
  const search = async () => {
    const values = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
    for (const name of asked) values.set(name, form.elements[name].value);
    if (key() !== last) forget(); // Another name is another person.
    const isEnough = values.get("email").includes("@") || (values.get("postal_code").trim() && (values.get("last_name").trim() || values.get("organization").trim()));
    if (!isEnough || key() === last) return;
    last = key();
    const response = await fetch(form.dataset.search, { method: "POST", body: values, credentials: "same-origin" }).catch(() => null);
    if (!response?.ok) return; // The question comes with the answer to the form.
    const buttons = (await response.json()).map((donor) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "secondary outline";
      button.textContent = `${found.dataset.use}: ${donor.label}`;
      button.addEventListener("click", () => choose(donor));
      return button;
    });
    found.replaceChildren(...buttons);
  };
  for (const name of asked) form.elements[name].addEventListener("change", search);
})();
