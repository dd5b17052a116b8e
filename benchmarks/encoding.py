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
    """CPU seconds of least squares over one size, and the exponent between its two largest."""
    seconds = [run_worker(WORKER, "ours", f"growth-{axis}-{size}")["cpu_s"] for size in sizes]
    slope = np.log(seconds[-1] / seconds[-2]) / np.log(sizes[-1] / sizes[-2])
    return {"axis": axis, "sizes": sizes, "cpu_s": seconds, "exponent": round(float(slope), 2)}


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


if __name__ == "__main__":
    main()
