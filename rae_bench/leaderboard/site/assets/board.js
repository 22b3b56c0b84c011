// The table: sorting by the buttons of its head, filtering by the form above it. Both stand in the address, so that a
// link shows the same table. Words come from the page as they are.
"use strict";
{
  const table = document.getElementById("board");
  const body = table?.tBodies[0];
  const rows = body ? [...body.rows] : [];
  const heads = table ? [...table.tHead.rows[0].cells] : [];
  const buttons = heads.map((head) => head.querySelector("button"));
  const form = document.querySelector(".filters");
  const field = (id) => document.getElementById(id);
  const WORDS = ["find", "regime", "level", "division"], TICKS = ["controls", "columns"];
  const HIGH = new Set(["gain", "reference", "long", "scorecold", "scorelong", "quality", "saved", "level"]); // where more is better
  const START = { key: "score", up: true };
  let sorted = START;

  const value = (row, column) => {
    const text = row.cells[column].dataset.v;
    return heads[column].dataset.key === "entry" ? text : text === "" ? null : Number(text);
  };

  // What has no value comes last, whichever way the rest is sorted; equals keep their order.
  function sort(key, up) {
    const column = heads.findIndex((head) => head.dataset.key === key);
    if (column < 0) return;
    const order = rows.map((row, place) => ({ row, place, v: value(row, column) }));
    order.sort((a, b) => {
      if (a.v === null || b.v === null) return (a.v === null) - (b.v === null) || a.place - b.place;
      const way = typeof a.v === "string" ? a.v.localeCompare(b.v) : a.v - b.v;
      return (up ? way : -way) || a.place - b.place;
    });
    for (const { row } of order) body.append(row);
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    stop(column);
    sorted = { key, up };
  }

  // One stop for the tab key; arrows go from button to button.
  function stop(column) { buttons.forEach((button, n) => { button.tabIndex = n === column ? 0 : -1; }); }
  function step(column, by) {
    const seen = heads.map((_, n) => n).filter((n) => heads[n].offsetParent !== null);
    const next = seen[(seen.indexOf(column) + by + seen.length) % seen.length];
    stop(next);
    buttons[next].focus();
  }

  function filter() {
    const words = field("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0, rest = 0;
    for (const row of rows) {
      const d = row.dataset;
      const named = words.every((word) => d.find.toLowerCase().includes(word));
      const seen = d.kind === "control"
        ? field("controls").checked && named
        : named &&
          (!field("regime").value || d.regime === field("regime").value) &&
          (!field("division").value || d.division === field("division").value) &&
          Number(d.level) >= Number(field("level").value);
      row.hidden = !seen;
      rest += seen;
      shown += seen && d.kind === "entry";
    }
    const all = rows.filter((row) => row.dataset.kind === "entry").length;
    field("shown").textContent = `${shown === all ? all : `${shown} of ${all}`} ${all === 1 ? "entry" : "entries"}`;
    field("empty").hidden = rest > 0;
    table.classList.toggle("all", field("columns").checked);
  }

  // ---- the address: #sort=-gain&find=... has what is not as it is at first ------------------------------------------
  function write() {
    const words = new URLSearchParams();
    if (sorted.key !== START.key || sorted.up !== START.up) words.set("sort", (sorted.up ? "" : "-") + sorted.key);
    for (const id of WORDS) if (field(id).value !== first[id]) words.set(id, field(id).value);
    for (const id of TICKS) if (field(id).checked !== first[id]) words.set(id, field(id).checked ? "on" : "off");
    history.replaceState(null, "", words.size ? `#${words}` : location.pathname + location.search);
  }
  function read() {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return; // a place on the page
    const words = new URLSearchParams(hash), key = words.get("sort") ?? START.key;
    for (const id of WORDS) {
      field(id).value = words.get(id) ?? first[id];
      if (field(id).value === "" && first[id] !== "") field(id).value = first[id]; // no such choice
    }
    for (const id of TICKS) field(id).checked = words.has(id) ? words.get(id) === "on" : first[id];
    const asked = key.replace(/^-/, ""), there = heads.some((head) => head.dataset.key === asked);
    sort(there ? asked : START.key, there ? !key.startsWith("-") : START.up);
    filter();
    document.querySelector(".sift").open = [...WORDS, ...TICKS].some((id) => words.has(id));
  }

  const first = {};
  if (table) {
    for (const id of WORDS) first[id] = field(id).value;
    for (const id of TICKS) first[id] = field(id).checked;
    buttons.forEach((button, column) => {
      button.addEventListener("click", () => {
        const before = heads[column].getAttribute("aria-sort"), key = heads[column].dataset.key;
        sort(key, before ? before === "descending" : !HIGH.has(key));
        write();
      });
      button.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!by) return;
        event.preventDefault();
        step(column, by);
      });
    });
    for (const part of [form, field("columns")]) part.addEventListener("input", () => { filter(); write(); });
    field("clear").addEventListener("click", () => {
      for (const id of WORDS) field(id).value = "";
      field("controls").checked = true;
      filter();
      write();
      field("find").focus();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("hashchange", read);
    stop(0);
    sort(START.key, START.up);
    filter();
    read();
  }
}
