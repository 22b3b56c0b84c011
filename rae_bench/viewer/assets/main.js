// ---- what people do -------------------------------------------------------------------------------------------------
function play(on) {
  if (on && state.at >= last()) state.at = 0;
  state.playing = on;
  stale = true;
  if (!on) remember();
}
function seek(frame) { state.playing = false; state.at = Math.min(Math.max(frame, 0), last()); stale = true; }
let wanted = 0; // which choice of a clip is the last; one that was unpacked later than it is passed over
async function choose(n, at = 0) {
  const mine = ++wanted;
  try {
    await unpack(data.clips[n]);
  } catch (error) {
    return trouble(`This clip cannot be unpacked (${error.message}); the page needs a browser of 2023 or later.`);
  }
  if (mine !== wanted) return;
  Object.assign(state, { clip: n, at });
  $("clip").value = n;
  $("about").textContent = clip().about;
  people.forEach((p) => present(p.n, clip().has[p.n]));
  arrange(); pose(); place(); strip(); clips();
}
/** Turns a figure on or off; the picture is another one only after `toggle`. */
function flip(n) {
  state.shown[n] = !state.shown[n];
  $("figure-" + n).setAttribute("aria-pressed", state.shown[n]);
  $("figure-" + n).classList.toggle("extra", !state.shown[n]);
}
/** Says whether a figure has motion of the clip. */
function present(n, has) {
  const button = $("figure-" + n), label = data.characters[n].label;
  button.classList.toggle("absent", !has);
  button.title = has ? label : `${label}: this page has no motion of it for this clip`;
  if (n && measured && !has) button.querySelector(".now").textContent = "no motion";
}
function toggle(n) { flip(n); pose(); refit(); strip(); clips(); remember(); }
function mark(name) {
  state.marks[name] = !state.marks[name];
  $("mark-" + name).setAttribute("aria-pressed", state.marks[name]);
  stale = true;
}
function camera(name) { state.camera = name; $("camera").value = name; place(); remember(); }
function layout(name) { state.layout = name; $("layout").value = name; refit(); remember(); }
function theme(name) { state.theme = name; paint(); strip(); clips(); }
function element(tag, text, to, names = {}) {
  const made = Object.assign(document.createElement(tag), names);
  made.textContent = text;
  to.append(made);
  return made;
}
function legend(id, text, key, note, colour, on, act, title) {
  const button = element("button", "", $("legend"), { id, title });
  button.setAttribute("aria-pressed", on);
  const swatch = element("span", "", button, { className: "swatch" });
  swatch.style.background = swatch.style.borderColor = colour;
  element("span", text, button, { className: "name" });
  if (id.startsWith("figure") && measured) element("span", "", button, { className: "now" });
  if (note) element("span", note, button, { className: "note" });
  if (key) element("kbd", key, button).setAttribute("aria-hidden", "true");
  button.addEventListener("click", act);
  return button;
}
document.title = `${data.title} - rae-bench view`;
$("title").textContent = data.title;
$("subtitle").textContent = data.subtitle;
element("p", "", $("legend"), { className: "extra", id: "unit", hidden: !measured });
data.characters.forEach((c, n) => {
  const button = legend("figure-" + n, c.label, n < 9 ? String(n + 1) : "", c.note, c.colours[0], c.shown, () => toggle(n), c.label);
  if (!c.shown) button.classList.add("extra");
});
if (data.characters.some((c) => c.note)) {
  element("p", `right: reconstruction error over all held-out clips, ${UNIT}`, $("legend"), { className: "extra" });
}
element("hr", "", $("legend"));
for (const [name, text, key, colour, title] of MARKS) {
  legend("mark-" + name, text, key, "", colour, true, () => mark(name), title).classList.add("extra");
  if (name !== "objectives") continue;
  const line = element("p", "", $("legend"), { className: "extra" });
  KINDS.forEach((kind, k) => {
    if (!kind || !data.kinds.includes(k)) return;
    element("b", kind[0], line);
    line.append(` ${kind[1]}  `);
  });
}
element("p", "", $("legend"), { className: "extra", id: "grid" });
const more = element("button", "More", $("legend"), { id: "more" });
more.setAttribute("aria-expanded", "false");
more.addEventListener("click", () => {
  const open = $("legend").classList.toggle("open");
  more.setAttribute("aria-expanded", open);
  more.textContent = open ? "Less" : "More";
});
data.clips.forEach((c, n) => {
  const made = c.has.filter(Boolean).length - 1, all = c.has.length - 1;
  element("option", made < all ? `${c.name}, ${made} of ${all} figures` : c.name, $("clip"), { value: n });
});
$("clip").addEventListener("change", () => choose(Number($("clip").value)).then(remember));
$("play").addEventListener("click", () => play(!state.playing));
$("scrub").addEventListener("input", () => seek(Number($("scrub").value)));
$("scrub").addEventListener("change", remember);
$("speed").addEventListener("change", () => { state.speed = Number($("speed").value); });
$("camera").addEventListener("change", () => camera($("camera").value));
$("layout").addEventListener("change", () => layout($("layout").value));
$("loop").addEventListener("click", () => { state.loop = !state.loop; stale = true; });
$("theme").addEventListener("click", () => theme(state.theme === "dark" ? "light" : "dark"));
$("apart").addEventListener("click", () => { if (apart() !== null) { seek(apart()); remember(); } });
$("help").addEventListener("click", () => $("keys").showModal());
document.addEventListener("click", (event) => {
  // A button that was clicked with a pointer does not keep the space bar for itself.
  if (event.detail > 0 && event.target.closest("button")) document.activeElement.blur();
});
if (people.length < 2) $("layout").parentElement.hidden = true;
const CAMERAS = Array.from($("camera").options, (option) => option.value);
const KEYS = {
  arrowleft: (by) => seek(Math.ceil(state.at) - by),
  arrowright: (by) => seek(Math.floor(state.at) + by),
  home: () => seek(0),
  end: () => seek(last()),
  arrowup: () => choose((state.clip + data.clips.length - 1) % data.clips.length).then(remember),
  arrowdown: () => choose((state.clip + 1) % data.clips.length).then(remember),
  w: () => clip().opens !== null && seek(clip().opens),
  x: () => $("apart").click(),
  e: () => $("all").hidden || opened(!table.open),
  escape: () => opened(false),
  l: () => $("loop").click(),
  d: () => $("theme").click(),
  b: () => people.length > 1 && layout(state.layout === "over" ? "beside" : "over"),
  v: () => camera(CAMERAS[(CAMERAS.indexOf(state.camera) + 1) % CAMERAS.length]),
  "?": () => $("help").click(),
};
for (const [name, , key] of MARKS) KEYS[key.toLowerCase()] = () => mark(name);
people.forEach((p) => { KEYS[p.n + 1] = () => toggle(p.n); });
document.addEventListener("keydown", (event) => {
  const on = event.target.tagName, key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey || event.altKey || on === "SELECT" || $("keys").open) return;
  if (key === " ") {
    if (on === "BUTTON") return;
    play(!state.playing);
  } else if (Object.hasOwn(KEYS, key)) {
    KEYS[key](event.shiftKey ? 10 : 1);
    if (["arrowleft", "arrowright", "home", "end", "w"].includes(key)) remember();
  } else return;
  event.preventDefault();
});
const night = matchMedia("(prefers-color-scheme: dark)");
state.theme = night.matches ? "dark" : "light";
night.addEventListener("change", () => theme(night.matches ? "dark" : "light"));

$("layout").value = state.layout;
state.clip = data.first;
follow().then(() => {
  if (!clip().ready) return;
  paint(); fit();
  document.body.className = "ready";
  new ResizeObserver(fit).observe($("stage"));
  requestAnimationFrame(tick);
});
