"""The encoding engine against its peers: CPU time, wall time, memory and values on the same arrays.

    python benchmarks/encoding.py [--runs 3] [--work ols-pereira ...] [--growth]

Writes benchmarks/results/encoding.json and the table of it in RESULTS.md; --growth measures how
cost grows with rows, units, targets, layers and folds, into benchmarks/results/encoding-growth.json
and .png. Peers are installed into environments of their own (benchmarks/.environments). One thread;
runs alternate; medians of ratios.
"""

import argparse
import json
from typing import Any

import numpy as np
from comparison import HERE, compared, environment, run_worker, write_results, write_table
from encoding_worker import flops, sizes_of

WORKER = "encoding_worker.py"
REQUIREMENTS = {
    "brainscore-language": ["brainscore-language==2.3.0", "torch==2.13.0"],
    "scikit-learn": ["scikit-learn==1.8.0"],
    "himalaya": ["himalaya==0.4.11", "scikit-learn==1.8.0", "packaging"],
}
COLUMNS = {
    "work": "work", "peer": "peer", "cpu_ratio": "CPU ratio", "wall_ratio": "wall ratio",
    "limit_ratio": "× flop limit", "max_difference": "largest difference (float64)",
    "single_precision": "float32 − float64", "cpu_s": "CPU s",
    "peak_growth_mb": "peak growth, MB", "date": "date",
}  # fmt: skip
# work → its peer; a whole model has none, it is held against its limits of time and memory.
WORKS = {
    "ols-pereira": "brainscore-language",
    "ols-wehbe": "scikit-learn",
    "ridge-pereira": "himalaya",
    "ridge-pereira-double": "himalaya",
    "ridge-gcv-pereira": "himalaya",
    "ridge-delays": "himalaya",
    "ridge-shared-pereira": "brainscore-language",
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


def main() -> None:
    """Measure every work in turn and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    if options.growth:
        rows = [growth(axis, sizes) for axis, sizes in GROWTH.items()]
        write_results("encoding-growth", rows, "axis")
        draw_growth()
        return
    for work in options.work:
        peer = WORKS[work]
        pairs = []
        for _ in range(options.runs if peer else 1):
            theirs = None
            if peer:
                python = environment(peer, REQUIREMENTS[peer])
                theirs = run_worker(WORKER, "peer", work, python)
            pairs.append((theirs, run_worker(WORKER, "ours", work)))
        result = compared(work, REQUIREMENTS[peer][0] if peer else None, pairs)
        result["single_precision"] = pairs[-1][1].get("single_precision")
        print(json.dumps(result, indent=2), flush=True)
        write_results("encoding", [result])
        write_table("encoding", COLUMNS, list(WORKS))


def growth(axis: str, sizes: list[int]) -> dict[str, Any]:
    """CPU seconds of least squares over one size, and exponents between its two largest.

    Seconds are the median of three runs; the expected exponent is that of the operations of the
    cheapest known exact route.
    """
    works = [f"growth-{axis}-{size}" for size in sizes]
    seconds = [
        float(np.median([run_worker(WORKER, "ours", work)["cpu_s"] for _ in range(3)]))
        for work in works
    ]
    operations = [operations_of(work) for work in works]
    last = np.log(sizes[-1] / sizes[-2])
    measured, expected = (np.log(v[-1] / v[-2]) / last for v in (seconds, operations))
    return {
        "axis": axis, "sizes": sizes, "cpu_s": seconds, "operations": operations,
        "exponent": round(float(measured), 2), "expected": round(float(expected), 2),
    }  # fmt: skip


def operations_of(work: str) -> float:
    """Floating-point operations of all layers of a growth work."""
    rows, units, targets, layers, folds = sizes_of(work)
    return layers * flops("ols", rows, units, targets, folds)


def draw_growth() -> None:
    """Cost against each size on double logarithmic axes, beside what the operations would take."""
    from matplotlib.figure import Figure

    rows = json.loads((HERE / "results" / "encoding-growth.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(2.3 * len(rows), 2.8), layout="constrained")
    panels = figure.subplots(1, len(rows))
    for axes, row in zip(panels, rows, strict=True):
        operations, seconds = np.asarray(row["operations"]), np.asarray(row["cpu_s"])
        axes.loglog(row["sizes"], seconds, "o-", label="measured")
        axes.loglog(
            row["sizes"], seconds[-1] * operations / operations[-1], "--", label="operations"
        )
        axes.set(xlabel=row["axis"])
        axes.set_title(f"exponent {row['exponent']:.2f}, expected {row['expected']:.2f}", size=9)
        axes.set_xticks(row["sizes"], [f"{size:,}" for size in row["sizes"]], size=8)
        axes.tick_params(which="both", labelsize=8)
        axes.minorticks_off()
    panels[0].set_ylabel("CPU seconds")
    panels[0].legend(loc="lower right")
    figure.savefig(HERE / "results" / "encoding-growth.png", dpi=150)


if __name__ == "__main__":
    main()
