"""Reading against its peers: CPU time, wall time, memory and values on the same texts.

    python benchmarks/reading.py [--runs 3] [--work activations-story ...] [--mirror ../shared/data]

Writes benchmarks/results/reading.json and the table of it in RESULTS.md. Ends with an error where
values differ from the peer's by more than rounding. Peers are installed into environments of their
own (benchmarks/.environments). Models have random weights and GPT-2 small's or T5 small's shape;
texts are Natural Stories and Pereira's passages where the mirror has them, else invented ones of
the same sizes. One thread; runs alternate; medians of ratios.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from comparison import (
    ENVIRONMENTS,
    HERE,
    compared,
    environment,
    run_worker,
    write_results,
    write_table,
)

WORKER = "reading_worker.py"
ASSETS = ENVIRONMENTS / "reading-assets"
REQUIREMENTS = {
    "brainscore-language": ["brainscore-language==2.3.0", "torch==2.13.0"],
    "minicons": ["minicons==0.3.39", "torch==2.13.0"],
    "naive loop": [],
}
# work → its peer, and the largest difference that is rounding (activations; bits).
WORKS = {
    "activations-story": ("brainscore-language", 1e-5),
    "activations-story-1024": ("brainscore-language", 1e-5),
    "activations-passages": ("brainscore-language", 1e-5),
    "activations-encdec": ("naive loop", 1e-5),
    "surprisal-segments": ("minicons", 1e-4),
    "surprisal-story": ("brainscore-language", 1e-4),
    "surprisal-story-1024": ("brainscore-language", 1e-4),
}
COLUMNS = {
    "work": "work", "peer": "peer", "cpu_ratio": "CPU ratio", "wall_ratio": "wall ratio",
    "limit_ratio": "× flop limit", "max_difference": "largest difference", "cpu_s": "CPU s",
    "peak_growth_mb": "peak growth, MB", "memory_limit_mb": "model and two batches, MB",
    "runs": "runs", "date": "date",
}  # fmt: skip


def main() -> None:
    """Measure every work in turn, compare the values and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--mirror", type=Path, default=HERE.parents[1] / "shared" / "data")
    options = parser.parse_args()
    subprocess.run(
        [sys.executable, str(HERE / "reading_assets.py"), str(ASSETS), str(options.mirror)],
        check=True,
    )
    for work in options.work:
        peer, tolerance = WORKS[work]
        requirements = REQUIREMENTS[peer]
        python = environment(peer, requirements) if requirements else sys.executable
        pairs = [
            (run_worker(WORKER, "peer", work, python), run_worker(WORKER, "ours", work))
            for _ in range(options.runs)
        ]
        ours = pairs[-1][1]
        result = compared(work, requirements[0] if requirements else peer, pairs)
        result["texts"] = json.loads((ASSETS / "texts.json").read_text(encoding="utf-8"))["source"]
        if "memory_limit_mb" in ours:
            result["memory_limit_mb"] = round(ours["memory_limit_mb"])
        print(json.dumps(result, indent=2), flush=True)
        if not result["max_difference"] <= tolerance:
            sys.exit(f"{work}: values differ from those of {peer} by {result['max_difference']}")
        write_results("reading", [result])
        write_table("reading", COLUMNS, list(WORKS))


if __name__ == "__main__":
    main()
