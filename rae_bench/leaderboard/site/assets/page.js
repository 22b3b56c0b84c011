// Every page: what can be copied has a button, lines of curves go on and off, and tables say that they scroll.
"use strict";
for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch { // a browser that does not let pages copy: the words are selected, and a key copies them
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
for (const section of document.querySelectorAll(".curves")) {
  for (const button of section.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      for (const line of section.querySelectorAll(`.line[data-line="${button.dataset.line}"]`)) line.toggleAttribute("hidden", !on);
    });
  }
}
for (const box of document.querySelectorAll(".scroll")) {
  const tell = () => {
    box.classList.toggle("wider", box.scrollWidth > box.clientWidth + 1);
    box.classList.toggle("ended", box.scrollLeft + box.clientWidth >= box.scrollWidth - 1);
  };
  box.addEventListener("scroll", tell, { passive: true });
  new ResizeObserver(tell).observe(box);
  if (box.firstElementChild) new ResizeObserver(tell).observe(box.firstElementChild);
}
const menu = document.querySelector(".menu");
document.addEventListener("click", (event) => { if (menu && !menu.contains(event.target)) menu.open = false; });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu?.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
