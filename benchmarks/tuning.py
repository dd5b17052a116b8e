"""Instruction tuning against a bare PyTorch loop: CPU time, wall time, memory and losses.

    python benchmarks/tuning.py [--runs 3] [--work llama-full ...]

Writes benchmarks/results/tuning.json and the table of it in RESULTS.md. Ends with an error where a
step's loss differs from the loop's by more than rounding. Both sides start from the same random
weights and learn from the same micro-batches: invented rows of an instruction file's lengths. Our
side writes its state at the end, as each training does; the loop writes nothing. One thread; runs
alternate; medians of ratios.
"""

import argparse
import json
import sys

from comparison import compared, run_worker, write_results, write_table

WORKER = "tuning_worker.py"
WORKS = ("llama-full", "llama-lora", "t5-full", "t5-lora")
ROUNDING = 1e-5  # nats per token
COLUMNS = {
    "work": "work", "cpu_ratio": "throughput ÷ loop's, CPU", "wall_ratio": "wall",
    "max_difference": "largest difference of a loss", "cpu_s": "CPU s",
    "peak_growth_mb": "peak growth, MB", "loop_growth_mb": "the loop's, MB", "runs": "runs",
    "date": "date",
}  # fmt: skip


def main() -> None:
    """Measure every work in turn, compare the losses and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", nargs="*", default=list(WORKS), choices=list(WORKS))
    options = parser.parse_args()
    for work in options.work:
        pairs = [
            (run_worker(WORKER, "loop", work), run_worker(WORKER, "ours", work))
            for _ in range(options.runs)
        ]
        result = compared(work, "plain loop", pairs)
        result["loop_growth_mb"] = round(pairs[-1][0]["growth_mb"])
        print(json.dumps(result, indent=2), flush=True)
        if not result["max_difference"] <= ROUNDING:
            sys.exit(f"{work}: losses differ from the loop's by {result['max_difference']}")
        write_results("tuning", [result])
        write_table("tuning", COLUMNS, WORKS)


if __name__ == "__main__":
    main()
