// The two charts of a report, its run picker and its tables. Data come from the JSON in the page and are written with
// textContent only, so names stay text whatever they contain. Everything works by keyboard: the charts take arrow keys.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var dark = matchMedia("(prefers-color-scheme: dark)");
  var printing = false;
  var COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
  var DASHES = [[], [7, 3], [2, 2], [9, 3, 2, 3], [13, 4], [5, 2, 2, 2]];
  var SHOWN_AT_FIRST = 8;

  function make(tag, text, parent, className) {
    var node = document.createElement(tag);
    if (text !== null && text !== undefined) node.textContent = text;
    if (className) node.className = className;
    if (parent) parent.appendChild(node);
    return node;
  }
  function style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }
  function colour(index) {
    if (data.designs[index].control) return printing || !dark.matches ? "#6f6f6f" : "#a0a0a0";
    var c = COLOURS[index % COLOURS.length];
    return dark.matches && !printing && c === "#0072b2" ? "#4aa3df" : c;
  }
  // Three digits that count, two below 1; what is less than the whole is never written as the whole. As in every table.
  function written(value, whole, how) {
    var size = Math.abs(value);
    if (size === 0) return "0";
    var magnitude = Math.floor(Math.log10(size));
    if (magnitude < -4) return how(value / Math.pow(10, magnitude) * 10) / 10 + "e" + magnitude;
    var digits = magnitude >= 0 ? 2 - magnitude : 1 - magnitude;
    if (size < whole) digits = Math.max(digits, 1 - Math.floor(Math.log10(whole - size)));
    digits = Math.min(12, Math.max(0, digits));
    var steps = value * Math.pow(10, digits), near = Math.round(steps);
    var kept = Math.abs(steps - near) < 1e-9 * Math.abs(steps) ? near : how(steps);
    return String(Number((kept / Math.pow(10, digits)).toFixed(digits)));
  }
  function number(value, unit) {
    if (value === null || value === undefined) return "–";
    var text = written(value, 1, Math.round);
    return unit ? text + " " + unit : text;
  }
  function percent(share, how) {
    return share === null || share === undefined ? "–" : written(100 * share, 100, how || Math.round) + "%";
  }
  function axis(label, extra) {
    var all = { stroke: style("--ink"), grid: { stroke: style("--rule"), width: 1 }, ticks: { stroke: style("--rule"), width: 1 }, label: label,
      labelSize: 24, font: "12px sans-serif", labelFont: "12px sans-serif" };
    Object.keys(extra || {}).forEach(function (key) { all[key] = extra[key]; });
    return all;
  }
  // A log axis labels 1, 2 and 5 of each decade at most.
  function logValues(write) {
    return function (u, splits) {
      var decades = splits.length ? Math.log10(splits[splits.length - 1] / splits[0]) : 1;
      return splits.map(function (value) {
        if (value === null || value <= 0) return "";
        var lead = Math.round(value / Math.pow(10, Math.floor(Math.log10(value) + 1e-9)));
        return lead === 1 || (decades <= 2.2 && (lead === 2 || lead === 5)) ? write(value) : "";
      });
    };
  }

  // Round places of a log axis that ends where its data end.
  function logPlaces(u, axis, low, high) {
    var leads = high / low < 4 ? [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9] : high / low < 200 ? [1, 2, 5] : [1], places = [];
    for (var decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade++)
      leads.forEach(function (lead) {
        var place = Number((lead * Math.pow(10, decade)).toPrecision(2));
        if (place >= low && place <= high) places.push(place);
      });
    return places;
  }

  // What both charts share: the frame, design switches, buttons, tooltip, keys and redrawing.
  function Chart(id, build) {
    var self = this;
    this.root = document.getElementById(id);
    this.plot = this.root.querySelector(".plot");
    this.tip = make("div", null, this.plot, "tip");
    this.tip.hidden = true;
    this.status = this.root.querySelector(".status");
    this.build = build;
    this.shown = data.designs.map(function (_, index) { return index < SHOWN_AT_FIRST; });
    this.range = null;
    var log = this.root.querySelector('[data-does="log-x"]');
    this.logX = log !== null && log.getAttribute("aria-pressed") === "true";
    this.logY = false;
    this.other = false;
    var box = this.root.querySelector("fieldset");
    data.designs.forEach(function (design, index) {
      var label = make("label", null, box);
      var input = make("input", null, label);
      input.type = "checkbox";
      input.checked = self.shown[index];
      input.addEventListener("change", function () { self.shown[index] = input.checked; self.draw(); });
      var swatch = make("span", null, label, "swatch");
      swatch.dataset.design = index;
      make("span", design.name, label);
    });
    this.root.querySelectorAll("button[data-does]").forEach(function (button) {
      button.addEventListener("click", function () { self.does(button.dataset.does, button); });
    });
    this.plot.addEventListener("keydown", function (event) { self.key(event); });
    this.plot.addEventListener("mouseleave", function () { self.tip.hidden = true; });
    this.draw();
  }
  Chart.prototype.does = function (what, button) {
    if (what === "log-x" || what === "log-y" || what === "other") {
      var name = { "log-x": "logX", "log-y": "logY", other: "other" }[what];
      this[name] = !this[name];
      button.setAttribute("aria-pressed", String(this[name]));
      if (what === "log-x") this.range = null;
      this.draw();
    } else if (what === "reset") { this.range = null; this.draw(); } else { this.zoom(what === "in" ? 0.5 : 2); }
  };
  Chart.prototype.zoom = function (factor) {
    var scale = this.u.scales.x, log = this.logX, at = function (v) { return log ? Math.log(v) : v; }, back = function (v) { return log ? Math.exp(v) : v; };
    var low = at(scale.min), high = at(scale.max), middle = (low + high) / 2, half = (high - low) / 2 * factor;
    var all = this.u.data[0], first = log ? all.find(function (v) { return v > 0; }) : all[0], last = all[all.length - 1];
    var range = [Math.max(back(middle - half), first), Math.min(back(middle + half), last)];
    this.range = factor > 1 && range[0] <= first && range[1] >= last ? null : range;
    this.draw();
  };
  Chart.prototype.key = function (event) {
    var steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 };
    if (event.key in steps) this.step(steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "0") { this.range = null; this.draw(); }
    else if (event.key === "Escape") { this.tip.hidden = true; return; }
    else if ((event.key === "Enter" || event.key === " ") && this.choose) this.choose();
    else return;
    event.preventDefault();
  };
  Chart.prototype.draw = function () {
    var self = this;
    if (this.u) this.u.destroy();
    this.tip.hidden = true;
    this.root.querySelectorAll(".swatch").forEach(function (swatch) { swatch.style.background = colour(Number(swatch.dataset.design)); });
    var made = this.build(this);
    var options = made.options;
    options.width = Math.max(260, this.plot.clientWidth - 2);
    options.height = Math.max(280, Math.min(330, Math.round(options.width * 0.5)));
    options.legend = { show: false };
    options.scales.x.time = false;
    if (this.range) options.scales.x.range = [this.range[0], this.range[1]];
    options.hooks = { setCursor: [function (u) { if (made.hover) made.hover(u); }],
      setScale: [function (u, key) { if (key === "x") self.plot.dataset.range = u.scales.x.min + ".." + u.scales.x.max; }],
      setSelect: [function (u) {
        if (u.select.width < 5) return;
        self.range = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
        setTimeout(function () { self.draw(); }, 0);
      }] };
    options.cursor = Object.assign({ drag: { x: true, y: false, setScale: false } }, options.cursor || {});
    this.u = new uPlot(options, made.data, this.plot);
    this.plot.dataset.series = String(this.shown.filter(Boolean).length);
    this.plot.dataset.logX = String(this.logX);
  };
  // The tooltip: a title and rows of name and value, placed beside the cursor.
  Chart.prototype.tell = function (title, rows, left, top) {
    this.tip.textContent = "";
    make("strong", title, this.tip);
    rows.forEach(function (row) {
      var line = make("div", null, this.tip);
      make("span", row[0], line);
      make("span", row[1], line, "value");
    }, this);
    this.tip.hidden = false;
    var over = this.u.over, x = over.offsetLeft + left, width = this.tip.offsetWidth;
    var room = this.plot.clientWidth - width - 4;
    this.tip.style.left = Math.max(4, Math.min(x + 14 > room ? x - width - 14 : x + 14, room)) + "px";
    this.tip.style.top = Math.max(4, over.offsetTop + Math.max(0, top) - 10) + "px";
  };
  Chart.prototype.say = function (text) { this.status.textContent = text; };

  // Startup: the share of pods that are ready, or not yet, after a time, with bands.
  function startup(chart) {
    var curves = data.startup, complement = chart.other;
    var turn = function (y) { return y === null ? null : complement ? Math.max(0, 1 - y) : y; };
    // A log axis begins at the smallest share of a curve that is shown; bands that reach below end there.
    var floor = 1;
    curves.series.forEach(function (of, index) {
      if (chart.shown[index]) of.y.map(turn).forEach(function (y) { if (y > 1e-9 && y < floor) floor = y; });
    });
    var positive = function (y) { return chart.logY && y !== null && y < floor ? null : y; };
    var clamped = function (y) { return chart.logY && y !== null ? Math.max(floor, y) : y; };
    var table = [curves.x], series = [{}], bands = [];
    curves.series.forEach(function (of, index) {
      var show = chart.shown[index], stroke = colour(index);
      var stepped = uPlot.paths.stepped({ align: 1 });
      var line = function (values, extra, kept) {
        table.push(values.map(turn).map(kept || positive));
        series.push(Object.assign({ show: show, paths: stepped, points: { show: false }, stroke: stroke }, extra));
      };
      line(of.y, { width: 2, dash: DASHES[index % DASHES.length] });
      line(complement ? of.lower : of.upper, { width: 0 }, clamped);
      line(complement ? of.upper : of.lower, { width: 0 }, clamped);
      if (show) bands.push({ series: [series.length - 2, series.length - 1], fill: stroke + "2e" });
    });
    chart.tellAt = function (idx) {
      if (idx === null || idx === undefined) { chart.tip.hidden = true; return; }
      var rows = [];
      curves.series.forEach(function (of, index) {
        if (!chart.shown[index] || of.y[idx] === null) return;
        var at = function (v) { return v === null ? null : complement ? 1 - v : v; };
        var low = at(complement ? of.upper[idx] : of.lower[idx]), high = at(complement ? of.lower[idx] : of.upper[idx]);
        rows.push([data.designs[index].name, percent(at(of.y[idx])) + (low === null ? "" : " [" + percent(low, Math.floor) + ", " + percent(high, Math.ceil) + "]")]);
      });
      var title = (complement ? "not ready after " : "ready within ") + number(curves.x[idx], "s");
      chart.tell(title, rows, chart.u.valToPos(curves.x[idx], "x"), 20);
      chart.now = { idx: idx, title: title, rows: rows };
    };
    chart.step = function (by) {
      var from = chart.now ? chart.now.idx : -1;
      chart.tellAt(Math.max(0, Math.min(curves.x.length - 1, from + by)));
      chart.say(chart.now.title + ": " + chart.now.rows.map(function (row) { return row.join(" "); }).join("; "));
    };
    var times = [curves.x[0], curves.x[curves.x.length - 1]];
    var scales = { x: { distr: chart.logX ? 3 : 1, range: times }, y: chart.logY ? { distr: 3, range: function () { return [floor * 0.8, 1]; } } : { range: function (u, min, max) { return [0, Math.min(1.02, (max || 1) * 1.05)]; } } };
    var xAxis = axis("time since the creation of the pod [s]", chart.logX ? { splits: logPlaces, values: function (u, splits) { return splits.map(function (v) { return v === null ? "" : String(v); }); } } : {});
    var yAxis = axis(complement ? "pods not ready" : "pods ready", { size: 70,
      values: chart.logY ? logValues(percent) : function (u, splits) { return splits.map(percent); } });
    return { data: table, hover: function (u) { if (u.cursor.left >= 0) chart.tellAt(u.cursor.idx); else chart.tip.hidden = true; },
      options: { scales: scales, axes: [xAxis, yAxis], series: series, bands: bands } };
  }

  // Runs: one point per run and design; the nearest point under the pointer has a tooltip, a click shows how to replay it.
  var measure = 0;
  function flags(bits) {
    return data.runs.flags.filter(function (_, bit) { return bits & (1 << bit); }).join(", ");
  }
  function runs(chart) {
    var all = data.runs, of = all.measures[measure], places = new Map(), xs = [];
    all.series.forEach(function (s) { s.replications.forEach(function (r) { if (!places.has(r)) { places.set(r, 0); xs.push(r); } }); });
    xs.sort(function (a, b) { return a - b; });
    xs.forEach(function (r, place) { places.set(r, place); });
    var table = [xs], series = [{}], points = [];
    all.series.forEach(function (s, index) {
      var column = new Array(xs.length).fill(null);
      s.replications.forEach(function (r, k) {
        var value = s.values[measure][k];
        if (value === null || (chart.logY && value <= 0)) return;
        column[places.get(r)] = value;
        if (chart.shown[index]) points.push({ design: index, replication: r, value: value, flags: s.flags[k] });
      });
      table.push(column);
      series.push({ show: chart.shown[index], stroke: colour(index), paths: function () { return null; }, points: { show: true, size: 5, width: 1, fill: colour(index) + "99" } });
    });
    var ranked = points.slice().sort(function (a, b) { return b.value - a.value || a.design - b.design || a.replication - b.replication; });
    chart.points = points;
    function near(u) {
      var best = null, distance = 22 * 22;
      points.forEach(function (p) {
        var dx = u.valToPos(p.replication, "x") - u.cursor.left, dy = u.valToPos(p.value, "y") - u.cursor.top, d = dx * dx + dy * dy;
        if (d < distance) { distance = d; best = p; }
      });
      return best;
    }
    function rows(p) {
      var seen = flags(p.flags);
      return [["run", String(p.replication)], [of.label, number(p.value, of.unit)]].concat(seen ? [["seen", seen]] : []);
    }
    function tell(p) {
      chart.now = p;
      if (!p) { chart.tip.hidden = true; return; }
      var x = chart.u.valToPos(p.replication, "x"), y = chart.u.valToPos(p.value, "y"), box = chart.u.over.getBoundingClientRect();
      chart.plot.dataset.at = (box.left + x) + " " + (box.top + y);
      chart.tell(data.designs[p.design].name, rows(p), x, y);
    }
    chart.step = function (by) {
      if (!ranked.length) return;
      var from = ranked.indexOf(chart.now);
      tell(ranked[Math.max(0, Math.min(ranked.length - 1, from + by))]);
      chart.say(data.designs[chart.now.design].name + ", " + rows(chart.now).map(function (row) { return row.join(" "); }).join(", ") + "; Enter shows its command");
    };
    chart.choose = function () { if (chart.now) show(chart.now.design, chart.now.replication); };
    var yScale = chart.logY ? { distr: 3 } : { range: function (u, min, max) { return [0, max > 0 ? max * 1.06 : 1]; } };
    return { data: table, hover: function (u) { tell(u.cursor.left >= 0 ? near(u) : null); },
      options: { scales: { x: { range: function (u, min, max) { var pad = (max - min) * 0.02 || 1; return [min - pad, max + pad]; } }, y: yScale }, series: series,
        cursor: { points: { show: false } },
        axes: [axis("replication", { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000] }), axis(of.label + (of.unit ? " [" + of.unit + "]" : ""), { size: 62, values: chart.logY ? logValues(String) : function (u, splits) { return splits.map(function (v) { return number(v); }); } })] } };
  }

  function show(design, replication) {
    var box = document.getElementById("chosen"), s = data.runs.series[design], k = s.replications.indexOf(replication);
    box.textContent = "";
    make("h3", "Run " + replication + " of " + data.designs[design].name, box);
    var facts = data.runs.measures.map(function (m, index) { return m.label + " " + number(s.values[index][k], m.unit); });
    var seen = flags(s.flags[k]);
    make("p", facts.join("; ") + (seen ? "; seen: " + seen : "") + ".", box);
    make("p", "This command replays and explains the run:", box);
    var command = data.designs[design].replay + replication + data.replay_end;
    make("code", command, make("pre", null, box)).id = "replay";
    var copy = make("button", "Copy the command", box);
    copy.type = "button";
    copy.addEventListener("click", function () {
      var range = document.createRange();
      range.selectNodeContents(document.getElementById("replay"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      var done = function (did) { copy.textContent = did ? "Copied" : "Selected: press Ctrl+C"; };
      if (navigator.clipboard) navigator.clipboard.writeText(command).then(function () { done(true); }, function () { done(false); }); else done(false);
    });
  }

  var charts = [];
  if (data.startup) charts.push(new Chart("startup-chart", startup));
  if (data.runs) {
    var scatter = new Chart("runs-chart", runs), select = document.getElementById("run-measure");
    data.runs.measures.forEach(function (m, index) { var option = make("option", m.label, select); option.value = index; });
    select.addEventListener("change", function () { measure = Number(select.value); scatter.now = null; scatter.draw(); });
    scatter.plot.addEventListener("click", function () { scatter.choose(); });
    charts.push(scatter);
    document.querySelectorAll("button[data-run]").forEach(function (button) {
      button.addEventListener("click", function () {
        show(Number(button.dataset.design), Number(button.dataset.run));
        document.getElementById("chosen").scrollIntoView({ block: "nearest" });
        document.getElementById("chosen").focus();
      });
    });
  }
  var only = document.getElementById("only-assumed");
  if (only) only.addEventListener("change", function () { document.getElementById("parameters-table").classList.toggle("only-assumed", only.checked); });
  // What is wider or higher than its frame has a hint above it.
  function hints() {
    document.querySelectorAll(".scroll").forEach(function (frame) {
      var wide = frame.scrollWidth > frame.clientWidth + 1, high = frame.scrollHeight > frame.clientHeight + 1;
      var hint = frame.previousElementSibling;
      if (!hint || !hint.classList.contains("more")) {
        if (!wide && !high) return;
        hint = document.createElement("p");
        hint.className = "more";
        frame.before(hint);
      }
      hint.hidden = !wide && !high;
      hint.textContent = "Scroll " + (wide && high ? "sideways and down for the rest" : wide ? "sideways for the rest →" : "down for the rest ↓");
    });
  }
  document.querySelectorAll("details").forEach(function (d) { d.addEventListener("toggle", hints); });
  function redraw() { charts.forEach(function (chart) { chart.draw(); }); hints(); }
  var waiting = 0;
  addEventListener("resize", function () { clearTimeout(waiting); waiting = setTimeout(redraw, 100); });
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", function () {
    printing = true;
    document.querySelectorAll("details").forEach(function (d) { d.dataset.was = d.open ? "1" : ""; d.open = true; });
    redraw();
  });
  addEventListener("afterprint", function () {
    printing = false;
    document.querySelectorAll("details").forEach(function (d) { d.open = d.dataset.was === "1"; });
    redraw();
  });
  hints();
  document.documentElement.dataset.ready = "1";
})();
