// The ledger's filters. The table is whole without this script; the filters live in the address, so a view can be linked.
(() => {
  "use strict";
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const rows = [...document.querySelectorAll("tr.claim-row")];
  const groups = [...document.querySelectorAll(".ledger tbody")];
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  function asked() {
    const given = new FormData(form);
    const found = Object.fromEntries([...given].map(([key, value]) => [key, String(value).trim()]));
    return { ...found, corrected: given.has("corrected") };
  }

  // What a row shows: the verdict of the scale that is asked for, or else of the one that leads.
  function at(row, scale) {
    for (const cell of row.querySelectorAll(".ours, .ruled")) {
      const parts = [...cell.querySelectorAll("[data-scale]")];
      const chosen = scale ? parts.find((part) => part.dataset.scale === scale) : parts[0];
      for (const part of parts) part.hidden = part !== chosen;
    }
    const others = row.querySelector(".others");
    if (others) others.hidden = Boolean(scale);
    const shown = row.querySelector(".ruled [data-scale]:not([hidden])");
    return shown ? shown.dataset.verdict : null;
  }

  function filter() {
    const want = asked();
    let shown = 0;
    for (const row of rows) {
      const verdict = at(row, want.scale);
      const keep =
        verdict !== null &&
        (!want.paper || row.dataset.paper === want.paper) &&
        (!want.origin || row.dataset.origin === want.origin) &&
        (!want.verdict || verdict === want.verdict) &&
        (want.corrected || !("corrected" in row.dataset)) &&
        (!want.words || want.words.toLowerCase().split(/\s+/).every((word) => words.get(row).includes(word)));
      row.hidden = !keep;
      shown += keep;
    }
    for (const group of groups) group.hidden = !group.querySelector("tr.claim-row:not([hidden])");
    count.textContent = `${shown} of ${rows.length} claims`;
    remember(want);
  }

  function remember(want) {
    const kept = Object.entries(want).filter(([, value]) => value);
    const query = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
    try {
      history.replaceState(null, "", query ? `?${query}` : location.pathname);
    } catch {
      // A browser that forbids it for files on disk still filters.
    }
  }

  for (const [key, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(key);
    if (field && field.type === "checkbox") field.checked = value === "true";
    else if (field && "value" in field) field.value = value;
  }
  form.hidden = false;
  form.addEventListener("input", filter);
  // A menu tells of a choice by `change`, in some browsers by that alone.
  form.addEventListener("change", (event) => event.target.tagName === "SELECT" && filter());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
})();
