// Sorts and searches all rows of a table, draws the first SHOWN of them. Empty cells come last
// either way. A table inside a closed fold is drawn when that is opened.
const SHOWN = 500;  // rows drawn at a time: a browser is slow with tens of thousands
const LONG = 40;  // characters from which on a cell's text is broken into lines

function table(root) {
  const {columns, rows} = JSON.parse(root.querySelector(".rows").textContent);
  const body = root.querySelector("tbody"), heads = [...root.querySelectorAll("th")];
  const search = root.querySelector(".search"), count = root.querySelector(".count");
  let by = -1, up = true;
  const text = value => typeof value === "number" && !Number.isInteger(value)
    ? String(Number(value.toPrecision(4))) : String(value ?? "");
  function compare(a, b) {
    const x = a[by], y = b[by];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "number" && typeof y === "number"
      ? x - y : String(x).localeCompare(String(y));
    return up ? order : -order;
  }
  function draw() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = rows.filter(row => {
      const line = row.map(value => String(value ?? "")).join("\t").toLowerCase();
      return words.every(word => line.includes(word));
    });
    if (by >= 0) found = [...found].sort(compare);
    body.replaceChildren(...found.slice(0, SHOWN).map(row => {
      const line = document.createElement("tr");
      for (const value of row) {
        const cell = line.insertCell();
        cell.textContent = text(value);
        if (typeof value === "number") { cell.className = "number"; cell.title = value; }
        else if (cell.textContent.length > LONG) cell.className = "long";
      }
      return line;
    }));
    count.textContent = `${Math.min(found.length, SHOWN)} of ${found.length} rows`
      + (found.length < rows.length ? ` (${rows.length} in all)` : "");
  }
  heads.forEach((head, index) => head.firstChild.addEventListener("click", () => {
    up = by === index ? !up : true;
    by = index;
    heads.forEach((other, i) => other.setAttribute(
      "aria-sort", i === by ? (up ? "ascending" : "descending") : "none"));
    draw();
  }));
  search.addEventListener("input", draw);
  const quoted = value => /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  const csv = [columns, ...rows].map(
    row => row.map(value => quoted(String(value ?? ""))).join(",")).join("\n") + "\n";
  root.querySelector(".csv").href = URL.createObjectURL(new Blob([csv], {type: "text/csv"}));
  draw();
}
for (const root of document.querySelectorAll(".table")) {
  const fold = root.closest("details:not([open])");
  if (fold) fold.addEventListener("toggle", () => table(root), {once: true});
  else table(root);
}
