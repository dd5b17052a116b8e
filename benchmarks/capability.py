"""Capability scoring against lm-eval: CPU time, wall time, memory and values on the same prompts.

    python benchmarks/capability.py [--runs 3] [--mirror FOLDER] [--work mmlu-causal ...]

Writes benchmarks/results/capability.json and the table of it in RESULTS.md. The peer is installed
into an environment of its own (benchmarks/.environments). Models are random, of GPT-2 small's, T5
small's and a small LLaMA's shape, with synthetic questions; and SmolLM2-135M-Instruct with real
ones (from the mirror, else downloaded). One thread; runs alternate; medians of ratios.
"""

import argparse
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from comparison import (
    ENVIRONMENTS,
    Result,
    compared,
    environment,
    run_worker,
    write_results,
    write_table,
)

WORKER = "capability_worker.py"
ASSETS = ENVIRONMENTS / "capability-assets"
REQUIREMENTS = ["lm-eval[hf]==0.4.13", "torch==2.13.0"]
WORKS = (
    "mmlu-causal", "mmlu-encdec", "mmlu-llama", "mmlu-smollm2", "bbh-causal", "bbh-smollm2",
    "blimp-causal", "blimp-smollm2",
)  # fmt: skip
COLUMNS = {
    "work": "work", "questions": "questions", "cpu_ratio": "CPU ratio", "wall_ratio": "wall ratio",
    "memory_ratio": "memory ratio", "limit_ratio": "× flop limit",
    "max_difference": "largest difference", "different": "answers that differ", "cpu_s": "CPU s",
    "runs": "runs", "date": "date",
}  # fmt: skip


def main() -> None:
    """Measure every work in turn and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--questions", type=int, default=100, help="of the one synthetic subject")
    parser.add_argument("--work", nargs="*", default=WORKS, choices=WORKS)
    parser.add_argument("--mirror", default="", help="folder of raw data, looked at first")
    options = parser.parse_args()
    make_questions(ASSETS / "synthetic", options.questions)
    run_worker(WORKER, "models", "")
    if any(work.endswith("smollm2") for work in options.work):
        run_worker(WORKER, "real", options.mirror)
    peer_python = environment("lm-eval", REQUIREMENTS)
    for work in options.work:
        pairs = [
            (run_worker(WORKER, "peer", work, peer_python), run_worker(WORKER, "ours", work))
            for _ in range(options.runs)
        ]
        result = {**compared(work, "lm-eval==0.4.13", [*pairs]), **answered(pairs)}
        print(json.dumps(result, indent=2), flush=True)
        write_results("capability", [result])
        write_table("capability", COLUMNS, WORKS)


def answered(pairs: list[tuple[Result, Result]]) -> dict[str, Any]:
    """What `comparison.compared` does not say of the runs.

    `different` counts questions whose choice (MMLU, BLiMP) or text (BBH) is another, `ties` ours
    that were decided by rule; `memory_ratio` is peer ÷ ours.
    """
    theirs, ours = pairs[-1]
    assert (theirs["ids"] == ours["ids"]).all()
    answers = [
        side["values"].argmax(axis=1) if side["values"].ndim == 2 else side["values"]
        for side in (theirs, ours)
    ]
    return {
        "memory_ratio": round(median(p["growth_mb"] / o["growth_mb"] for p, o in pairs), 2),
        "peer_peak_growth_mb": round(median(p["growth_mb"] for p, _ in pairs)),
        "different": int(np.sum(answers[0] != answers[1])),
        "ties": ours["ties"],
        "questions": len(ours["ids"]),
    }


def make_questions(folder: Path, n_questions: int) -> None:
    """Synthetic questions of MMLU's and BBH's lengths (about 700 and 350 tokens with shots)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = random.Random(0)
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "ou", "an")]
    words = ["".join(rng.choices(syllables, k=rng.choice([1, 2, 2, 3]))) for _ in range(3000)]

    def text(low: int, high: int) -> str:
        return " ".join(rng.choices(words, k=rng.randint(low, high)))

    for split, n in (("dev", 5), ("test", n_questions)):
        rows = [
            {
                "question_id": f"subject_0-{split}-{number}",
                "question": text(15, 60).capitalize() + "?",
                "choices": [text(1, 8) for _ in range(4)],
                "gold": rng.randrange(4),
                "input": text(30, 80).capitalize(),
                "target": text(1, 3),
            }
            for number in range(n)
        ]
        with (folder / f"subject_0_{split}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    make_pairs(folder.with_name("blimp-synthetic"), text, rng, n_questions)


def make_pairs(
    folder: Path, text: Callable[[int, int], str], rng: random.Random, n_pairs: int
) -> None:
    """Synthetic pairs of BLiMP's length, in which two words stand in another order."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = []
    for number in range(n_pairs):
        words = text(6, 10).split()
        k = rng.randrange(len(words) - 1)
        other = [*words[:k], words[k + 1], words[k], *words[k + 2 :]]
        pair = {"question_id": f"pair-{number}", "good": " ".join(words), "bad": " ".join(other)}
        lines.append(json.dumps(pair) + "\n")
    (folder / "subject_0_test.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
