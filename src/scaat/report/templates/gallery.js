"use strict";
// Galleries show everything without this script; it adds the choice of what to see.
for (const gallery of document.querySelectorAll(".gallery")) {
  const controls = gallery.querySelector(".controls");
  const slider = controls.querySelector("input[type=range]");
  const output = controls.querySelector("output");
  const chosen = (name) => controls.querySelector(`input[data-choice=${name}]:checked`)?.value;
  const said = { 0: "image only", 50: "map over image", 100: "map only" };

  const update = () => {
    const blend = Number(slider.value);
    gallery.style.setProperty("--blend", blend / 100);
    output.value = said[blend] ?? `${blend} % map`;
    slider.setAttribute("aria-valuetext", output.value);
    const sheet = chosen("sheet");
    if (sheet === undefined) return;
    const method = chosen("method");
    for (const one of gallery.querySelectorAll(".sheet")) one.hidden = one.dataset.sheet !== sheet;
    for (const tile of gallery.querySelectorAll(".tile[data-method]")) {
      tile.hidden = method !== "all" && tile.dataset.method !== method;
    }
    gallery.dataset.tiles = method === "all" ? gallery.dataset.all : 2;
  };

  controls.hidden = false;
  controls.addEventListener("input", update);
  // A browser may restore a choice after the page has loaded.
  addEventListener("pageshow", update);
  update();
}
