// ---- errors: over time below the scrubber, and of every clip in a table ---------------------------------------------
const measured = data.clips.some((c) => c.means.length);
const others = () => seen().filter((p) => p.n > 0);
function shape(tag, facts) {
  const made = document.createElementNS($("plot").namespaceURI, tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
  return made;
}
/** A figure's error in a frame of the clip, metres; null in the history. */
function errorAt(figure, frame) {
  const own = clip().ready.errors[figure - 1], t = Math.round(frame) - clip().start;
  return own && t >= 0 ? own[state.measure][t] : null;
}
/** Draws the errors of the figures that are on, over the frames that they made. */
function strip() {
  if (!measured) return;
  const { start, opens } = clip(), wide = Math.max(last(), 1);
  const lines = others().map((p) => [p, clip().ready.errors[p.n - 1]?.[state.measure]]).filter(([, own]) => own);
  let top = 1e-9, worst = null;
  for (const [p, own] of lines) own.forEach((v, t) => { if (v > top) { top = v; worst = [p, t]; } });
  const paths = lines.map(([p, own]) => shape("polyline", { stroke: hue(data.characters[p.n]),
    points: Array.from(own, (v, t) => `${start + t},${(100 * (1 - v / top)).toFixed(1)}`).join(" ") }));
  const second = opens === null || !lines.length ? [] : [shape("rect", { x: opens, width: Math.min(data.fps, last() - opens), y: 0, height: 100 })];
  $("plot").setAttribute("viewBox", `0 0 ${wide} 100`);
  $("plot").replaceChildren(...second, ...paths, shape("line", { id: "now", y1: 0, y2: 100 }));
  $("top").textContent = lines.length ? `highest ${inUnits(top)} ${UNIT}` : "";
  $("unit").textContent = `${MEASURES[state.measure]} error now, ${UNIT}`;
  $("unit").title = data.measures[MEASURES[state.measure]];
  $("strip").setAttribute("aria-label", `${MEASURES[state.measure]} error over time` + (worst
    ? `; most ${inUnits(top)} ${UNIT}, of ${data.characters[worst[0].n].label}, ${(worst[1] / data.fps).toFixed(1)} s after the history` : ""));
}
/** The frame in which the errors of the figures that are on differ most; null where fewer than two have any. */
function apart() {
  const lines = others().map((p) => clip().ready.errors[p.n - 1]?.[state.measure]).filter(Boolean);
  if (lines.length < 2) return null;
  const gaps = Array.from(lines[0], (_, t) => Math.max(...lines.map((own) => own[t])) - Math.min(...lines.map((own) => own[t])));
  return clip().start + gaps.indexOf(Math.max(...gaps));
}
/** Says where time stands, in the strip and beside each figure. */
function now() {
  if (!measured) return;
  $("now")?.setAttribute("x1", state.at);
  $("now")?.setAttribute("x2", state.at);
  for (const p of people.slice(1).filter((p) => clip().has[p.n])) {
    const value = errorAt(p.n, state.at);
    $("figure-" + p.n).querySelector(".now").textContent = value === null ? "" : inUnits(value);
  }
}
const table = { open: false, by: 0, down: true };
/** The table of clips: a column for each figure that is on; the button of a clip goes to its worst second. */
function clips() {
  $("clips").hidden = !table.open;
  $("all").setAttribute("aria-expanded", table.open);
  if (!table.open) return;
  const figures = people.filter((p) => p.n > 0 && state.shown[p.n]).map((p) => p.n);
  const value = (c, n) => (n ? meanError(c, n, state.measure) : worstOf(c));
  const worstOf = (c) => Math.max(-1, ...figures.map((n) => meanError(c, n, state.measure) ?? -1));
  if (table.by && !figures.includes(table.by)) table.by = 0;
  const order = data.clips.map((c, place) => ({ c, place, v: value(c, table.by) ?? -1 }));
  const lacking = (c) => figures.filter((n) => !c.has[n]).length; // clips that all figures have come first
  order.sort((a, b) => lacking(a.c) - lacking(b.c) || (table.down ? b.v - a.v : a.v - b.v) || a.place - b.place);
  const most = Math.max(1e-9, ...order.map(({ c }) => worstOf(c)));
  const head = element("tr", "", $("heads"));
  $("heads").replaceChildren(head);
  for (const n of [0, ...figures]) {
    const cell = element("th", "", head, { scope: "col" });
    if (table.by === n) cell.setAttribute("aria-sort", table.down ? "descending" : "ascending");
    const button = element("button", n ? data.characters[n].label : "clip", cell, { title: n ? "sort by it" : "sort by the worst figure" });
    if (n) button.style.setProperty("--colour", hue(data.characters[n]));
    button.addEventListener("click", () => {
      table.down = table.by === n ? !table.down : true;
      table.by = n;
      clips();
      $("heads").querySelectorAll("button")[[0, ...figures].indexOf(n)].focus();
    });
  }
  $("rows").replaceChildren(...order.map(({ c, place }) => {
    const row = document.createElement("tr");
    if (place === state.clip) row.setAttribute("aria-current", "true");
    const button = element("button", c.name, element("th", "", row, { scope: "row" }), { title: c.about });
    button.addEventListener("click", () => choose(place, c.opens ?? 0).then(remember));
    for (const n of figures) {
      const v = meanError(c, n, state.measure), cell = element("td", v === null ? "\u2013" : inUnits(v), row);
      if (v !== null) cell.style.setProperty("--share", v / most);
    }
    return row;
  }));
}
function opened(on) { table.open = on; clips(); if (on) $("rows").querySelector("[aria-current] button")?.scrollIntoView({ block: "nearest" }); }
if (measured) {
  for (const [n, name] of MEASURES.entries()) {
    element("option", name, $("measure"), { value: n, title: data.measures[name] });
    element("dt", name, $("measures"));
    element("dd", data.measures[name], $("measures"));
  }
  $("measure").addEventListener("change", () => { state.measure = Number($("measure").value); strip(); clips(); stale = true; remember(); });
  $("strip").addEventListener("pointerdown", (event) => {
    const box = $("strip").getBoundingClientRect();
    seek(Math.round(((event.clientX - box.left) / box.width) * last()));
    remember();
  });
} else for (const id of ["strip", "errors", "meaning", "apart"]) $(id).hidden = true;
if (!measured || data.clips.length < 2) $("all").hidden = true;
$("all").addEventListener("click", () => opened(!table.open));
$("close").addEventListener("click", () => { opened(false); $("all").focus(); });
