const at = id => document.getElementById(id);
const counted = (number, one, many) => number.toLocaleString("en") + " " + (number === 1 ? one : many);
const asked = () => at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
const told = text => { at("found").textContent = text; };
const chips = (buttons, chosen) => { for (const one of buttons) one.setAttribute("aria-pressed", String(chosen(one))); };
function useTools(filter) {
  let waiting = 0;
  at("tools").hidden = false;
  for (const one of at("tools").querySelectorAll("input, select")) {
    const later = () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); };
    one.addEventListener("input", one.type === "search" ? later : () => filter());
  }
  filter();
}
