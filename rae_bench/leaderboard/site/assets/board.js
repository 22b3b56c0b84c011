// The table: sorting by the buttons of its head, filtering by the form above it. Words come from the page as they are.
"use strict";
{
  const table = document.getElementById("board");
  const body = table?.tBodies[0];
  const rows = body ? [...body.rows] : [];
  const heads = table ? [...table.tHead.rows[0].cells] : [];
  const field = (id) => document.getElementById(id);
  const HIGH = new Set(["gain", "reference", "long", "quality", "saved", "level"]); // where more is better

  const value = (row, column) => {
    const text = row.cells[column].dataset.v;
    return heads[column].dataset.key === "entry" ? text : text === "" ? null : Number(text);
  };

  // What has no value comes last, whichever way the rest is sorted; equals keep their order.
  function sort(column, up) {
    const order = rows.map((row, place) => ({ row, place, v: value(row, column) }));
    order.sort((a, b) => {
      if (a.v === null || b.v === null) return (a.v === null) - (b.v === null) || a.place - b.place;
      const way = typeof a.v === "string" ? a.v.localeCompare(b.v) : a.v - b.v;
      return (up ? way : -way) || a.place - b.place;
    });
    for (const { row } of order) body.append(row);
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  }

  function filter() {
    const words = field("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const d = row.dataset;
      const seen = d.kind === "control"
        ? field("controls").checked && !words.length
        : words.every((word) => d.find.toLowerCase().includes(word)) &&
          (!field("regime").value || d.regime === field("regime").value) &&
          (!field("division").value || d.division === field("division").value) &&
          Number(d.level) >= Number(field("level").value);
      row.hidden = !seen;
      shown += seen && d.kind === "entry";
    }
    const all = rows.filter((row) => row.dataset.kind === "entry").length;
    field("shown").textContent = `${shown === all ? all : `${shown} of ${all}`} ${all === 1 ? "entry" : "entries"}`;
    table.classList.toggle("all", field("columns").checked);
  }

  if (table) {
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      sort(column, before ? before === "descending" : !HIGH.has(head.dataset.key));
    }));
    const form = document.querySelector(".filters");
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    sort(heads.findIndex((head) => head.dataset.key === "score"), true);
    filter();
  }
}
