// Keeps the day and the slider of a funder's page on the same day. Without it, whichever of the two was moved is the one that counts.
(() => {
  const slider = document.getElementById("place");
  const day = document.getElementById("as_of");
  if (slider === null || day === null) return;
  const shown = document.querySelector("#day-form input[name=shown]");
  const first = Date.parse(slider.dataset.first);
  const length = 24 * 60 * 60 * 1000;
  const follow = () => {
    day.value = new Date(first + slider.valueAsNumber * length).toISOString().slice(0, 10);
    shown.value = slider.value;
    slider.setAttribute("aria-valuetext", day.value);
  };
  slider.addEventListener("input", follow);
  day.addEventListener("change", () => {
    const place = Math.round((Date.parse(day.value) - first) / length);
    if (place >= 0 && place <= Number(slider.max)) slider.value = shown.value = String(place);
  });
  slider.setAttribute("aria-valuetext", day.value);
})();
