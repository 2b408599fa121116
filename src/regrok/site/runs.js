// The table of runs, and the curves of the one that is chosen. Curves come by scripts, one a study and scale.
(() => {
  "use strict";
  const { fields, rows } = regrok.runs;
  const runs = rows.map((row) => Object.fromEntries(fields.map((name, i) => [name, row[i]])));
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const body = document.querySelector("#runs tbody");
  const more = document.getElementById("more");
  const title = document.getElementById("shown-title");
  const said = document.getElementById("shown-words");
  const panel = document.getElementById("curves");
  const log = document.getElementById("log");
  const others = document.getElementById("others");
  const PAGE = 40;
  const COLUMNS = ["train_accuracy", "validation_accuracy", "train_loss", "validation_loss", "V"];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const held = new Map();
  const waiting = new Map();
  let left = [];
  let shown = 0;
  let current = null;

  regrok.take = (key, content) => held.set(key, content);

  const number = (x) => (x === null ? "–" : x.toLocaleString("en"));
  const key = (run) => `${run.scale}/${run.id}`;
  for (const run of runs) run.words = [run.id, run.scale, run.experiments.join(" "), run.label, `seed ${run.seed}`, run.outcome].join(" ").toLowerCase();

  function element(name, content, attributes = {}) {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    made.append(content);
    return made;
  }

  // The table -----------------------------------------------------------------------------------------

  function line(run) {
    const row = element("tr", "", { role: "row", "data-run": key(run) });
    row.setAttribute("aria-selected", String(current === run));
    const button = element("button", run.id, { type: "button", "aria-label": `Show the curves of run ${run.id}` });
    button.addEventListener("click", () => choose(run));
    row.append(element("th", button, { role: "rowheader", scope: "row" }));
    const cells = [
      ["experiment", run.experiments.join(", ")],
      ["settings", [run.label, `seed ${run.seed}`].filter(Boolean).join(", ")],
      ["scale", run.scale],
      ["outcome", run.outcome],
      ["T_mem", number(run.T_mem)],
      ["T_grok", number(run.T_grok)],
    ];
    for (const [label, words] of cells) {
      const cell = element("td", words, { role: "cell", "data-label": label });
      if (label.startsWith("T_")) cell.className = "number";
      row.append(cell);
    }
    return row;
  }

  function extend() {
    const next = left.slice(shown, shown + PAGE);
    body.append(...next.map(line));
    shown += next.length;
    more.hidden = shown >= left.length;
    more.textContent = `Show more (${left.length - shown} are left)`;
  }

  function filter() {
    const given = new FormData(form);
    const want = Object.fromEntries([...given].map(([name, value]) => [name, String(value).trim()]));
    const names = want.experiment ? want.experiment.split(",") : [];
    const words = want.words.toLowerCase().split(/[\s,]+/).filter(Boolean);
    left = runs.filter(
      (run) =>
        (!want.scale || run.scale === want.scale) &&
        (!names.length || names.some((name) => run.experiments.includes(name))) &&
        (!want.outcome || run.outcome === want.outcome) &&
        words.every((word) => run.words.includes(word)),
    );
    shown = 0;
    body.replaceChildren();
    count.textContent = `${number(left.length)} of ${number(runs.length)} runs`;
    extend();
    remember(want);
  }

  function remember(want) {
    const query = new URLSearchParams(Object.entries(want).filter(([, value]) => value)).toString();
    const place = current ? `#${key(current)}` : "";
    try {
      history.replaceState(null, "", `${query ? `?${query}` : location.pathname}${place}`);
    } catch {
      // A browser that forbids it for files on disk still filters.
    }
  }

  // A run ---------------------------------------------------------------------------------------------

  // Each script is asked for once; it calls regrok.take.
  function load(file) {
    if (!waiting.has(file)) {
      waiting.set(
        file,
        new Promise((done, failed) => {
          const script = element("script", "", { src: `curves/${file}.js` });
          script.addEventListener("load", () => done(held.get(file)));
          script.addEventListener("error", () => failed(new Error(`curves/${file}.js cannot be read`)));
          document.head.append(script);
        }),
      );
    }
    return waiting.get(file);
  }

  async function choose(run) {
    current = run;
    for (const row of body.children) row.setAttribute("aria-selected", String(row.dataset.run === key(run)));
    title.textContent = `Run ${run.id}`;
    said.textContent = "Its curves are being read.";
    let part;
    try {
      part = await load(run.file);
    } catch (problem) {
      said.textContent = `${problem.message}; the site’s folder is not whole.`;
      panel.hidden = true;
      return;
    }
    if (current !== run) return;
    said.textContent = summary(run);
    panel.hidden = false;
    document.getElementById("back").hidden = false;
    const points = unpacked(part.curves[run.id]);
    table(points);
    settings({ seed: run.seed, ...part.settings[run.cell] });
    remember(Object.fromEntries(new FormData(form)));
    await draw(run, points);
    title.focus({ preventScroll: true });
    if (matchMedia("(max-width: 60rem)").matches) title.scrollIntoView();
    document.getElementById("shown").dataset.drawn = key(run);
  }

  function summary(run) {
    const what = [run.experiments.join(", "), run.label, `seed ${run.seed}`].filter(Boolean).join("; ");
    const times = [
      run.T_mem === null ? null : `T_mem ${number(run.T_mem)}`,
      run.T_grok === null ? null : `T_grok ${number(run.T_grok)}`,
      run.T_mem === null || run.T_grok === null ? null : `delay ${number(run.T_grok - run.T_mem)}`,
    ].filter(Boolean);
    const ended = `${run.outcome}${times.length ? ` (${times.join(", ")} steps)` : ""}`;
    return `${what}. ${run.scale} scale. ${ended}, watched for ${number(run.steps)} steps, ${number(run.minutes)} minutes of training.`;
  }

  function unpacked(curve) {
    return curve.step.map((step, i) => ({ step, ...Object.fromEntries(COLUMNS.map((name) => [name, curve[name][i]])) }));
  }

  function table(points) {
    const place = document.querySelector("#points .wide");
    const head = element("tr", "");
    head.append(...["step", ...COLUMNS].map((name) => element("th", name.replaceAll("_", " "), { scope: "col" })));
    const rows = points.map((point) => {
      const row = element("tr", "");
      row.append(...["step", ...COLUMNS].map((name) => element("td", point[name] ?? "–", { class: "number" })));
      return row;
    });
    const made = element("table", element("thead", head));
    const part = element("tbody", "");
    part.append(...rows);
    made.append(part);
    place.replaceChildren(made);
  }

  function settings(known) {
    const list = document.querySelector("#settings dl");
    list.replaceChildren();
    for (const [name, value] of Object.entries(known)) list.append(element("dt", name), element("dd", String(value)));
  }

  // Charts --------------------------------------------------------------------------------------------

  function look() {
    const ink = dark.matches ? "#e4e9ee" : "#1c2733";
    const faint = dark.matches ? "#a3afba" : "#64707d";
    const line = dark.matches ? "#37424d" : "#d9dee4";
    const axis = { labelColor: faint, titleColor: ink, gridColor: line, domainColor: faint, tickColor: faint };
    return {
      background: "transparent",
      font: "system-ui, Helvetica Neue, Arial, sans-serif",
      axis: { ...axis, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" },
      legend: { labelColor: ink, labelFontSize: 12 },
      range: { category: dark.matches ? ["#f0a35c", "#6db7f2"] : ["#b25300", "#0064a8"] },
      rule: { color: faint },
      text: { color: ink, fontSize: 12 },
    };
  }

  // The points of the runs that differ from it in seed alone.
  function beside(run) {
    const same = runs.filter((each) => each.cell === run.cell && each.file === run.file && each !== run);
    const { curves } = held.get(run.file);
    return same.flatMap((each) => unpacked(curves[each.id]).map((point) => ({ run: each.id, ...point })));
  }

  async function draw(run, points) {
    const kind = regrok.charts[log.checked ? "log" : "linear"];
    const marks = ["T_mem", "T_grok"].filter((name) => run[name] !== null && (run[name] > 0 || !log.checked));
    const datasets = { points, others: others.checked ? beside(run) : [], marks: marks.map((event) => ({ event, step: run[event] })) };
    for (const [name, chart] of Object.entries(kind)) {
      const place = document.getElementById(`chart-${name}`);
      // Vega makes it the label of the place that it draws in.
      const description = `${name} of run ${run.id} against steps. ${summary(run)} The points are in the table below.`;
      const found = { ...chart, datasets, description };
      const drawn = await vegaEmbed(place, found, { actions: false, renderer: "svg", config: look() });
      drawn.view.resize();
    }
  }

  async function again() {
    if (current) await draw(current, unpacked(held.get(current.file).curves[current.id]));
  }

  // Start ---------------------------------------------------------------------------------------------

  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (!field || !("value" in field)) continue;
    // A claim may rest on several experiments, for which the menu has no entry of its own.
    if (name === "experiment" && value.includes(",")) field.append(new Option(value.replaceAll(",", ", "), value));
    field.value = value;
  }
  form.hidden = false;
  form.addEventListener("input", filter);
  // A menu tells of a choice by `change`, in some browsers by that alone.
  form.addEventListener("change", (event) => event.target.tagName === "SELECT" && filter());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  more.addEventListener("click", extend);
  log.addEventListener("change", again);
  others.addEventListener("change", again);
  dark.addEventListener("change", again);
  const named = decodeURIComponent(location.hash.slice(1));
  filter();
  const first = runs.find((run) => key(run) === named);
  if (first) choose(first);
})();
