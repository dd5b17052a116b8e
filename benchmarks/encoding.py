"""The encoding engine against its peers: CPU time, wall time, memory and values on the same arrays.

    python benchmarks/encoding.py [--runs 3] [--work ols-pereira ...] [--growth]

Writes benchmarks/results/encoding.json and the table of it in RESULTS.md; --growth measures how
cost grows with rows, units, targets, layers and folds, into benchmarks/results/encoding-growth.json
and .png. Peers are installed into environments of their own (benchmarks/.environments). One thread;
runs alternate; medians of ratios.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
REQUIREMENTS = {
    "brainscore-language": ["brainscore-language==2.3.0", "torch==2.13.0"],
    "scikit-learn": ["scikit-learn==1.8.0"],
    "himalaya": ["himalaya==0.4.11", "scikit-learn==1.8.0", "packaging"],
}
# work → its peer; a whole model has none, it is held against its limits of time and memory.
WORKS = {
    "ols-pereira": "brainscore-language",
    "ols-wehbe": "scikit-learn",
    "ridge-pereira": "himalaya",
    "ridge-gcv-pereira": "himalaya",
    "ceiling": "brainscore-language",
    "whole-model": None,
}
GROWTH = {
    "rows": [200, 400, 800, 1600],
    "units": [256, 1024, 4096, 16384],
    "targets": [1000, 4000, 16000, 64000],
    "layers": [1, 2, 4, 8],
    "folds": [2, 5, 10, 20],
}
# What the cheapest exact route costs where the size is large: a Gram matrix of rows² × units, and
# products of test rows × training rows × targets in every fold (folds share out the test rows, each
# factors its own training rows).
EXPONENTS = {"rows": 2, "units": 1, "targets": 1, "layers": 1, "folds": 1}


def main() -> None:
    """Measure every work in turn and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    if options.growth:
        write("encoding-growth", [growth(axis, sizes) for axis, sizes in GROWTH.items()], "axis")
        draw_growth()
        return
    for work in options.work:
        peer = WORKS[work]
        pairs = []
        for _ in range(options.runs if peer else 1):
            theirs = worker(install(peer), "peer", work) if peer else None
            pairs.append((theirs, worker(sys.executable, "ours", work)))
        result = compared(work, pairs)
        print(json.dumps(result, indent=2), flush=True)
        write("encoding", [result], "work")
        tabulate()


def write(name: str, rows: list[dict[str, Any]], key: str) -> None:
    """Put `rows` in place of the rows of the same `key` in a results file."""
    target = HERE / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    old = json.loads(target.read_text()) if target.exists() else []
    fresh = {row[key] for row in rows}
    kept = [row for row in old if row[key] not in fresh]
    target.write_text(json.dumps(kept + rows, indent=2) + "\n")


def compared(
    work: str, pairs: list[tuple[dict[str, Any] | None, dict[str, Any]]]
) -> dict[str, Any]:
    """One row of the results: ratios are peer ÷ ours, limit_ratio ours ÷ the flop limit."""
    both = [(theirs, ours) for theirs, ours in pairs if theirs is not None]
    limited = [ours for _, ours in pairs if ours["limit_s"]]
    difference = None
    if both:
        theirs, ours = (np.asarray(side["values"]) for side in both[-1])
        difference = float(np.abs(theirs - ours).max())

    def ratio(key: str) -> float | None:
        values = [t[key] / t["share"] / (o[key] / o["share"]) for t, o in both]
        return round(median(values), 2) if values else None

    peer = WORKS[work]
    return {
        "work": work,
        "peer": peer,
        "peer_version": REQUIREMENTS[peer][0].split("==")[1] if peer else None,
        "cpu_ratio": ratio("cpu_s"),
        "wall_ratio": ratio("wall_s"),
        "limit_ratio": round(median(o["cpu_s"] / o["limit_s"] for o in limited), 2)
        if limited
        else None,
        "max_difference": difference,
        "peak_growth_mb": round(median(ours["growth_mb"] for _, ours in pairs)),
        "cpu_s": round(median(ours["cpu_s"] for _, ours in pairs), 3),
        "runs": len(pairs),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 thread used",
        "date": datetime.now(UTC).date().isoformat(),
    }


def growth(axis: str, sizes: list[int]) -> dict[str, Any]:
    """CPU seconds of least squares over one size, and the exponent between its two largest."""
    seconds = [worker(sys.executable, "ours", f"growth-{axis}-{size}")["cpu_s"] for size in sizes]
    slope = np.log(seconds[-1] / seconds[-2]) / np.log(sizes[-1] / sizes[-2])
    return {"axis": axis, "sizes": sizes, "cpu_s": seconds, "exponent": round(float(slope), 2)}


def tabulate() -> None:
    """Write the table of the results into RESULTS.md, between its marks."""
    rows = json.loads((HERE / "results" / "encoding.json").read_text())
    order = list(WORKS)
    columns = ["work", "peer", "CPU ratio", "wall ratio", "× flop limit", "largest difference in r"]
    columns += ["CPU s", "peak growth, MB", "date"]
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for row in sorted(rows, key=lambda row: order.index(row["work"])):
        peer = f"{row['peer']} {row['peer_version']}" if row["peer"] else "none"
        known = {
            key: "" if row[key] is None else f"{row[key]:.3g}"
            for key in ("cpu_ratio", "wall_ratio", "limit_ratio", "max_difference", "cpu_s")
        }
        cells = [row["work"], peer, *known.values(), str(row["peak_growth_mb"]), row["date"]]
        lines.append("| " + " | ".join(cells) + " |")
    path = HERE / "RESULTS.md"
    before, rest = path.read_text().split("<!-- encoding -->\n")
    after = rest.split("<!-- end -->")[1]
    table = "\n".join(lines)
    path.write_text(f"{before}<!-- encoding -->\n{table}\n<!-- end -->{after}")


def draw_growth() -> None:
    """Cost against each size on double logarithmic axes, the expected exponent beside it."""
    from matplotlib.figure import Figure

    rows = json.loads((HERE / "results" / "encoding-growth.json").read_text())
    figure = Figure(figsize=(2.2 * len(rows), 2.6), layout="constrained")
    for axes, row in zip(figure.subplots(1, len(rows)), rows, strict=True):
        sizes, seconds = np.asarray(row["sizes"]), np.asarray(row["cpu_s"])
        axes.loglog(sizes, seconds, "o-", label=f"measured: {row['exponent']:.2f}")
        expected = EXPONENTS[row["axis"]]
        axes.loglog(
            sizes, seconds[-1] * (sizes / sizes[-1]) ** expected, ":", label=f"expected: {expected}"
        )
        axes.set(xlabel=row["axis"], ylabel="CPU seconds")
        axes.legend()
    figure.savefig(HERE / "results" / "encoding-growth.png", dpi=150)


def worker(python: str, side: str, work: str) -> dict[str, Any]:
    """Run one side in a fresh process with one thread; it writes its result to a file."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.json"
        subprocess.run(
            [python, str(HERE / "encoding_worker.py"), side, work, str(target)],
            env={**os.environ, **threads, "TQDM_DISABLE": "1", "BS_INSTALL_DEPENDENCIES": "no"},
            check=True,
        )
        result: dict[str, Any] = json.loads(target.read_text())
    return result


def install(peer: str) -> str:
    """The peer's Python, in an environment that is made if need be."""
    folder = HERE / ".environments" / peer
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS[peer]], check=True)
    return str(python)


if __name__ == "__main__":
    main()
