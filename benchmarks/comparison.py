"""What the comparisons with peers share: environments, fresh processes, result files and tables."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".environments"
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
QUIET = {
    "TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1", "BS_INSTALL_DEPENDENCIES": "no",
}  # fmt: skip

Result = dict[str, Any]


def environment(peer: str, requirements: Sequence[str]) -> str:
    """The Python of a peer's own environment, which is made if need be."""
    folder = ENVIRONMENTS / peer
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
    return str(python)


def run_worker(worker: str, side: str, work: str, python: str = sys.executable) -> Result:
    """Run one side of a work in a fresh process with one thread.

    `worker` is the name of a program beside this one. It is called with the side, the work and
    the path of a file that it writes (`measuring.write`).
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.npz"
        subprocess.run(
            [python, str(HERE / worker), side, work, str(target)],
            env={**os.environ, **THREADS, **QUIET},
            check=True,
        )
        with np.load(target) as file:
            return {key: file[key] if file[key].ndim else file[key].item() for key in file}


def compared(
    work: str, requirement: str | None, pairs: list[tuple[Result | None, Result]]
) -> Result:
    """One row of the results, from runs of (peer or None, ours).

    Ratios are peer ÷ ours, `limit_ratio` is ours ÷ the limit (of a second run in the process, where
    there is one), all of them medians over the runs.
    `requirement` names the peer as pip does (PEER==VERSION), or is a word for one without version.
    `max_difference` is between the values of the last runs, where ours are numbers and not NaN.
    """
    both = [(theirs, ours) for theirs, ours in pairs if theirs is not None]
    limited = [ours for _, ours in pairs if "limit_s" in ours]
    peer, _, version = (requirement or "").partition("==")

    def ratio(key: str) -> float | None:
        values = [t[key] / t["share"] / (o[key] / o["share"]) for t, o in both]
        return round(median(values), 2) if values else None

    difference = None
    if both:
        theirs, ours = (np.asarray(side["values"]) for side in both[-1])
        assert theirs.shape == ours.shape, (work, theirs.shape, ours.shape)
        if np.issubdtype(ours.dtype, np.number):
            difference = float(np.nanmax(np.abs(theirs - ours)))
    return {
        "work": work,
        "peer": peer or None,
        "peer_version": version or None,
        "cpu_ratio": ratio("cpu_s"),
        "wall_ratio": ratio("wall_s"),
        "limit_ratio": round(median(o.get("warm_s", o["cpu_s"]) / o["limit_s"] for o in limited), 2)
        if limited
        else None,
        "max_difference": difference,
        "peak_growth_mb": round(median(ours["growth_mb"] for _, ours in pairs)),
        "cpu_s": round(median(ours["cpu_s"] for _, ours in pairs), 3),
        "runs": len(pairs),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 thread used",
        "date": datetime.now(UTC).date().isoformat(),
    }


def write_results(name: str, rows: list[Result], key: str = "work") -> None:
    """Put `rows` in place of those with the same `key` in results/NAME.json."""
    target = HERE / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    old = json.loads(target.read_text(encoding="utf-8")) if target.exists() else []
    fresh = {row[key] for row in rows}
    kept = [row for row in old if row[key] not in fresh]
    target.write_text(json.dumps(kept + rows, indent=2) + "\n", encoding="utf-8")


def write_table(name: str, columns: Mapping[str, str], order: Sequence[str]) -> None:
    """Write results/NAME.json as a table into RESULTS.md, between the marks NAME and end.

    `columns`: key of a row → heading; `order`: of the works.
    """
    rows = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    lines = [f"| {' | '.join(columns.values())} |", f"|{' --- |' * len(columns)}"]
    for row in sorted(rows, key=lambda row: order.index(row["work"])):
        named = {**row, "peer": f"{row['peer'] or 'none'} {row['peer_version'] or ''}".strip()}
        lines.append("| " + " | ".join(_cell(named.get(key)) for key in columns) + " |")
    path = HERE / "RESULTS.md"
    before, rest = path.read_text(encoding="utf-8").split(f"<!-- {name} -->\n")
    after = rest.split("<!-- end -->", 1)[1]
    table = "\n".join(lines)
    path.write_text(f"{before}<!-- {name} -->\n{table}\n<!-- end -->{after}", encoding="utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
