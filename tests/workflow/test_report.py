"""The report in a browser: offline, it shows its summary, every figure and every table."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long, pytest.mark.timeout(900)]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
STARTS, SECONDS = 2, 60  # a browser hangs now and then
QUIET = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
    "--no-first-run", "--no-default-browser-check", "--mute-audio",
)  # fmt: skip

# Goes before all other scripts: what the page complains of, whoever catches it.
LISTEN = """<script>
var complaints = [];
window.addEventListener("error", e => complaints.push(e.message || "not loaded: " + (
  e.target.src || e.target.href || "").slice(0, 200)), true);
window.addEventListener("unhandledrejection", e => complaints.push(String(e.reason)));
const log = console.error;
console.error = (...words) => { complaints.push(words.join(" ")); log(...words); };
</script>"""

# Goes after all others: shows every result as a reader would, and leaves what it saw in the page.
LOOK = """<script>
const pause = ms => new Promise(done => setTimeout(done, ms));
async function until(probe) {
  for (let i = 0; i < 100; i++) { const it = probe(); if (it) return it; await pause(50); }
  return null;
}
function decoded(uri) {
  const bytes = Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1)), c => c.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}
async function page(html) {  // of one origin with this one, so that it can be looked into
  const frame = document.createElement("iframe");
  document.body.append(frame);
  frame.contentWindow.onerror = message => complaints.push(String(message));
  frame.contentDocument.write(html);
  frame.contentDocument.close();
  await until(() => frame.contentDocument.querySelector("tbody tr"));
  return frame;
}
const cells = (frame, column) => [...frame.contentDocument.querySelectorAll("tbody tr")]
  .map(row => row.cells[column].textContent);
async function looked() {
  const seen = {head: [], top: null, results: {}};
  const head = await until(() => document.querySelector("#app .prose table"));
  seen.head = [...head.querySelectorAll("th")].map(cell => cell.textContent);
  seen.rows = head.querySelectorAll("tbody tr").length;
  seen.top = head.getBoundingClientRect().top;
  for (const [path, result] of Object.entries(results)) {
    const about = {caption: result.caption, mime: result.mime_type};
    const isImage = result.mime_type.startsWith("image/");
    app.setView({content: isImage ? "img" : "html", contentPath: result.data_uri,
                 resultPath: path, navbarMode: "resultinfo"});
    const shown = await until(() => {
      const it = document.querySelector(isImage ? "#app .grow img" : "#app iframe");
      return it && it.src === result.data_uri && (!isImage || it.complete) && it;
    });
    about.shown = Boolean(shown);
    if (isImage && shown) about.width = shown.naturalWidth;
    if (!isImage && shown) {
      const frame = await page(decoded(result.data_uri));
      const inside = frame.contentDocument;
      about.rows = inside.querySelectorAll("tbody tr").length;
      about.columns = [...inside.querySelectorAll("th")].map(cell => cell.textContent);
      const button = inside.querySelector("th button");
      if (button && about.rows) {
        button.click();
        about.up = cells(frame, 0);
        button.click();
        about.down = cells(frame, 0);
        const search = inside.querySelector(".search");
        search.value = about.up[0];
        search.dispatchEvent(new Event("input"));
        about.searched = cells(frame, 0).length;
      }
      frame.remove();
    }
    seen.results[path] = about;
  }
  app.setView({content: "stats", navbarMode: "menu"});
  seen.stats = Boolean(await until(() => document.querySelector(
    "#app .vega-embed canvas, #app .vega-embed svg")));
  return seen;
}
"""


# The same for the page that needs no Snakemake: every fold opened, every table sorted and searched.
LOOK_AT_PAGE = """<script>
async function looked() {
  const seen = {tables: {}};
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  await new Promise(done => setTimeout(done, 500));
  const images = [...document.querySelectorAll("figure img")];
  await Promise.all(images.map(image => image.decode()));
  seen.widths = images.map(image => image.naturalWidth);
  seen.captions = [...document.querySelectorAll("figcaption")].map(it => it.textContent);
  seen.questions = document.querySelectorAll(".question").length;
  seen.wide = document.documentElement.scrollWidth - innerWidth;
  for (const fold of document.querySelectorAll("details[id]")) {
    const rows = () => fold.querySelectorAll("tbody tr");
    const about = {rows: rows().length};
    about.first = rows().length && getComputedStyle(rows()[0].cells[0]).position;
    const search = fold.querySelector(".search");
    if (search && about.rows) {
      search.value = rows()[0].cells[0].textContent;
      search.dispatchEvent(new Event("input"));
      about.searched = rows().length;
    }
    seen.tables[fold.id] = about;
  }
  return seen;
}
"""
# Runs what a script above looks at.
LEAVE = """
looked().catch(e => ({failed: String(e)})).then(seen => {
  seen.complaints = complaints;
  seen.fetched = performance.getEntriesByType("resource").map(e => e.name)
    .filter(name => !/^(data|blob|file):/.test(name));
  const note = document.createElement("pre");
  note.id = "seen";
  note.textContent = JSON.stringify(seen);
  document.body.replaceChildren(note);
});
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    actual = next(filter(None, map(shutil.which, BROWSERS)), None)
    if actual is None:
        pytest.skip("no browser: install chromium (Debian: apt-get install chromium)")
    return actual


@pytest.fixture(scope="module")
def seen(
    browser: str, finished_study: Callable[[], Study], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a browser without a network saw in the report of the small study."""
    folder = tmp_path_factory.mktemp("report")
    report = folder / "report.html"
    done = finished_study().snakemake("--report", str(report))
    assert done.returncode == 0, done.stderr[-4000:]
    return look(browser, report, folder, LOOK)


def look(
    browser: str, report: Path, folder: Path, script: str, width: int = 1400
) -> dict[str, Any]:
    """Open a report with LISTEN and a script that looks put into it; what that left."""
    start, rest = report.read_text(encoding="utf-8").split("<head>", 1)
    body, end = rest.rsplit("</body>", 1)  # the word is in scripts, too
    report.write_text(f"{start}<head>{LISTEN}{body}{script}{LEAVE}</body>{end}", encoding="utf-8")
    command = [
        browser, "--headless", "--disable-gpu", f"--window-size={width},900", "--dump-dom",
        "--virtual-time-budget=300000", "--host-resolver-rules=MAP * ~NOTFOUND", *QUIET,
        *(["--no-sandbox"] * (os.geteuid() == 0)), report.as_uri(),
    ]  # fmt: skip
    for attempt in range(STARTS):
        try:
            page, errors = output([*command, f"--user-data-dir={folder / f'profile{attempt}'}"])
            break
        except subprocess.TimeoutExpired:
            continue
    else:
        pytest.fail(f"{browser} took more than {SECONDS} s, {STARTS} times")
    measured = re.search(r'<pre id="seen">(.*?)</pre>', page, re.DOTALL)
    assert measured, errors[-2000:]
    left = measured[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    result: dict[str, Any] = json.loads(left)
    assert "failed" not in result, result
    return result


def output(command: list[str]) -> tuple[str, str]:
    """What a browser writes; it and all that it started are ended with it, or after `SECONDS`."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as browser:
        try:
            return browser.communicate(timeout=SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)


def test_no_complaint_and_no_network(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []
    assert seen["fetched"] == []


def test_the_summary_stands_at_the_head(seen: dict[str, Any]) -> None:
    assert seen["head"] == ["question", "legacy answer", "controlled answer"]
    assert seen["rows"] > 5
    assert 0 <= seen["top"] < 100


def test_every_figure_is_shown_with_its_caption(
    seen: dict[str, Any], finished_study: Callable[[], Study]
) -> None:
    folder = finished_study().folder
    drawn = {
        path.relative_to(folder).as_posix() for path in folder.glob("results/figures/**/*.svg")
    }
    assert len(drawn) > 10
    for path in drawn:
        about = seen["results"][path]
        assert about["shown"] and about["width"] > 300, path
        assert "cannot show" in about["caption"], path


def test_every_table_is_shown_sorts_and_can_be_searched(
    seen: dict[str, Any], finished_study: Callable[[], Study]
) -> None:
    folder = finished_study().folder
    tables = {path.stem for path in folder.glob("results/tables/*.csv")}
    assert {"scores", "headline", "correlations"} <= tables
    for name in tables | {"data_cards"}:
        about = seen["results"][f"results/pages/{name}.html"]
        assert about["shown"] and "cannot show" in about["caption"], name
        if name in tables:
            header = (
                (folder / f"results/tables/{name}.csv")
                .read_text(encoding="utf-8")
                .split("\n", 1)[0]
            )
            assert about["columns"] == header.split(","), name
        up, down = (list(dict.fromkeys(about[method])) for method in ("up", "down"))
        if about["rows"] < 500:  # more are not drawn at once
            assert up == down[::-1], name
        groups = [value for value, _ in itertools.groupby(about["up"])]
        assert groups == up, name  # equal ones stand together: it did sort
        assert 0 < about["searched"] <= about["rows"], name


def test_run_times_are_shown(seen: dict[str, Any]) -> None:
    assert seen["stats"]


@pytest.mark.parametrize("width", [1400, 800])
def test_the_page_alone_shows_every_question_figure_and_table(
    browser: str, finished_study: Callable[[], Study], tmp_path: Path, width: int
) -> None:
    results = finished_study().folder / "results"
    page = shutil.copy(results / "report" / "index.html", tmp_path / "page.html")
    shown = look(browser, Path(page), tmp_path, LOOK_AT_PAGE, width)
    assert shown["complaints"] == [] and shown["fetched"] == []
    assert len(shown["widths"]) == len(list((results / "figures").rglob("*.svg"))) > 10
    assert min(shown["widths"]) > 300 and shown["wide"] <= 0
    assert all("cannot show" in caption for caption in shown["captions"])
    assert shown["questions"] == len(pd.read_csv(results / "tables" / "headline.csv"))
    names = {f"table-{path.stem}" for path in (results / "tables").glob("*.csv")}
    assert set(shown["tables"]) == names | {"table-data_cards"}
    for name, about in shown["tables"].items():
        if about["rows"]:
            assert about["first"] == "sticky" and 0 < about["searched"] <= about["rows"], name
