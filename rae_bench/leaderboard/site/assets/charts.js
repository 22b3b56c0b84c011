// Curves of error over the target's fraction: a panel a category, drawn by uPlot. Canvases are for eyes; each panel says
// its numbers in a table for everybody else.
"use strict";
{
  const dark = () => document.documentElement.dataset.theme === "dark";
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const make = (tag, facts = {}, ...inside) => {
    const made = Object.assign(document.createElement(tag), facts);
    made.append(...inside);
    return made;
  };
  const percent = (x) => `${Number(x.toPrecision(3))} %`;

  function legend(section, chart, shown, redraw) {
    const box = section.querySelector(".legend");
    chart.lines.forEach((line, k) => {
      const button = make("button", { type: "button" }, make("span", { className: "swatch" }), line.label);
      const paint = () => {
        button.setAttribute("aria-pressed", String(shown[k]));
        button.firstChild.style.setProperty("--colour", line.colours[Number(dark())]);
      };
      button.addEventListener("click", () => { shown[k] = !shown[k]; paint(); redraw(); });
      addEventListener("themed", paint);
      paint();
      box.append(button);
    });
  }

  // The highest that must be seen: of the lines that are on, with their intervals, but those not beyond three times the line.
  function highest(chart, panel, shown) {
    let top = 0;
    chart.lines.forEach((line, k) => {
      if (shown[k]) for (const p of line[panel.category]) if (p) top = Math.max(top, Math.min(p[2] ?? p[0], 3 * p[0]));
    });
    return top * 1.12 || 1;
  }

  // The least and the greatest of a control.
  function ends(control, panel) {
    const known = control[panel.category].filter((v) => v !== null);
    return [Math.min(...known), Math.max(...known)];
  }

  function draw(chart, panel, shown, holder, size) {
    const xs = chart.ticks;
    const data = [xs], series = [{}], bands = [];
    const at = (line, part) => xs.map((x) => {
      const place = line.x.indexOf(x);
      const point = place < 0 ? null : line[panel.category][place];
      return point ? point[part] : null;
    });
    chart.lines.forEach((line, k) => {
      if (!shown[k]) return;
      const colour = line.colours[Number(dark())];
      const first = series.length;
      for (const part of [2, 1]) {
        data.push(at(line, part));
        series.push({ stroke: colour + "55", width: 1, points: { show: false }, spanGaps: true });
      }
      bands.push({ series: [first, first + 1], fill: colour + "1f" });
      data.push(at(line, 0));
      series.push({ stroke: colour, width: 2, points: { show: true, size: 7, fill: colour }, spanGaps: true });
    });
    const top = highest(chart, panel, shown);
    for (const control of chart.controls) {
      if (ends(control, panel)[0] > top) continue;
      data.push(control[panel.category]);
      series.push({ stroke: control.colours[Number(dark())], width: 1.5, dash: [6, 5], points: { show: false }, spanGaps: true });
    }
    const axis = { stroke: style("--soft"), grid: { stroke: style("--edge"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const range = [Math.min(...xs) / 1.25, Math.max(...xs) * 1.25];
    holder.replaceChildren();
    return new uPlot({
      ...size, padding: [10, 14, 0, 0], legend: { show: false }, cursor: { show: false }, series, bands,
      scales: { x: { time: false, distr: 3, log: 10, range: () => range }, y: { range: () => [0, top] } },
      axes: [
        { ...axis, size: 30, splits: () => xs, values: (_, all) => all.map(percent), filter: (_, all) => all },
        { ...axis, size: 46 },
      ],
    }, data, holder);
  }

  function numbers(chart, panel) {
    const head = make("tr", {}, make("th", { textContent: "line", scope: "col" }));
    chart.ticks.forEach((x) => head.append(make("th", { textContent: percent(x), scope: "col" })));
    const table = make("table", { className: "small" }, make("thead", {}, head));
    const rows = make("tbody");
    const say = (v) => (v === null || v === undefined ? "–" : v.toFixed(panel.digits));
    for (const line of chart.lines) {
      const row = make("tr", {}, make("th", { textContent: line.label, scope: "row" }));
      chart.ticks.forEach((x) => {
        const place = line.x.indexOf(x), point = place < 0 ? null : line[panel.category][place];
        const ends = point && point[1] !== null ? ` (${say(point[1])} to ${say(point[2])})` : "";
        row.append(make("td", { className: "num", textContent: say(point?.[0]) + ends }));
      });
      rows.append(row);
    }
    table.append(rows);
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, table);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `${panel.title} in numbers`);
    return make("details", {}, make("summary", { textContent: "in numbers" }), scroll);
  }

  for (const section of document.querySelectorAll(".curves")) {
    const chart = JSON.parse(section.querySelector("script.chart").textContent);
    const shown = chart.lines.map((line) => line.shown);
    const boxes = chart.panels.map((panel) => {
      const title = panel.unit ? `${panel.title}, ${panel.unit}` : panel.title;
      const holder = make("div", { className: "plot" });
      holder.setAttribute("role", "img");
      holder.setAttribute("aria-label", `${title}, over the target's data; its numbers are in the table below`);
      const above = make("p", { className: "above" });
      section.querySelector(".panels").append(
        make("div", { className: "panel" }, make("h3", { textContent: title }), holder, above, numbers(chart, panel)));
      return { panel, holder, above, plot: null };
    });
    const redraw = () => {
      for (const box of boxes) {
        box.plot?.destroy();
        box.plot = draw(chart, box.panel, shown, box.holder, { width: Math.max(box.holder.clientWidth, 200), height: 230 });
        const top = highest(chart, box.panel, shown);
        const known = chart.controls.filter((control) => control[box.panel.category].some((v) => v !== null));
        const far = known.filter((control) => ends(control, box.panel)[0] > top);
        const near = known.filter((control) => !far.includes(control));
        const say = (control) => [...new Set(ends(control, box.panel).map((v) => v.toFixed(box.panel.digits)))].join(" to ");
        const words = (some) => some.map((control) => `${control.label} ${say(control)}`).join(", ");
        box.above.textContent = [near.length ? `dashed: ${words(near)}` : "", far.length ? `above: ${words(far)}` : ""].filter(Boolean).join("; ");
      }
    };
    legend(section, chart, shown, redraw);
    redraw();
    addEventListener("themed", redraw);
    let width = innerWidth;
    addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
    section.dataset.drawn = "yes";
  }
}
