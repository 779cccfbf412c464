"use strict";
(function () {
  const root = document.documentElement;
  const plots = Array.from(document.querySelectorAll(".plot"));
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : media.matches;
  }

  function inkOf(forPrint) {
    return forPrint ? "#000000" : isDark() ? "#e8ecf1" : "#1d2530";
  }

  // Lines drawn in the colour of the text cannot be set by the style sheet: their legend entries share it.
  function paintInk(plot, forPrint) {
    const marked = [];
    plot.data.forEach((trace, index) => { if (trace.meta === "ink") marked.push(index); });
    if (!marked.length) return;
    const ink = inkOf(forPrint);
    Plotly.restyle(plot, { "line.color": ink, "marker.color": ink, "marker.line.color": ink }, marked);
  }

  function showTheme() {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Use the light theme" : "Use the dark theme");
    plots.forEach((plot) => { if (plot.data) paintInk(plot, false); });
  }

  function draw(plot) {
    const source = document.getElementById(plot.id.replace("plot-", "data-"));
    const figure = JSON.parse(source.textContent);
    if (plot.clientWidth < 480) {
      figure.layout.margin = Object.assign({}, figure.layout.margin, { l: 48, r: 8 });
      figure.layout.height = Math.round(figure.layout.height * 1.2);
      figure.layout.font = Object.assign({}, figure.layout.font, { size: 11 });
    }
    return Plotly.newPlot(plot, figure.data, figure.layout, { displayModeBar: false, responsive: true });
  }

  function keyOf(row, column) {
    const cell = row.cells[column];
    const number = parseFloat(cell.dataset.sort);
    return Number.isNaN(number) ? cell.textContent : number;
  }

  function sortBy(header) {
    const table = header.closest("table");
    const body = table.tBodies[0];
    const descending = header.getAttribute("aria-sort") !== "descending";
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = Array.from(body.rows);
    rows.sort((left, right) => {
      const a = keyOf(left, header.cellIndex);
      const b = keyOf(right, header.cellIndex);
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return descending ? -order : order;
    });
    rows.forEach((row) => body.appendChild(row));
  }

  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  media.addEventListener("change", showTheme);
  document.querySelectorAll(".sortable th button").forEach((item) => {
    item.addEventListener("click", () => sortBy(item.closest("th")));
  });
  window.addEventListener("beforeprint", () => plots.forEach((plot) => {
    paintInk(plot, true);
    Plotly.relayout(plot, { width: 680 });
  }));
  window.addEventListener("afterprint", () => plots.forEach((plot) => {
    paintInk(plot, false);
    Plotly.relayout(plot, { width: null, autosize: true });
  }));
  Promise.all(plots.map(draw)).then(() => {
    showTheme();
    root.dataset.drawn = "true";
  });
})();
