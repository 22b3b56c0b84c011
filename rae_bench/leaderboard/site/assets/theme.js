// Before the page is drawn: the theme that was chosen, else that of the system.
"use strict";
const theme = {
  get() {
    let kept = null;
    try { kept = localStorage.getItem("rae-bench-theme"); } catch { /* some browsers keep nothing for files */ }
    return kept ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  },
  set(name) {
    document.documentElement.dataset.theme = name;
    try { localStorage.setItem("rae-bench-theme", name); } catch { /* as above */ }
  },
};
document.documentElement.dataset.theme = theme.get();
addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const name = () => { button.textContent = document.documentElement.dataset.theme === "dark" ? "Light" : "Dark"; };
  button.hidden = false;
  name();
  button.addEventListener("click", () => {
    theme.set(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    name();
    dispatchEvent(new Event("themed"));
  });
});
