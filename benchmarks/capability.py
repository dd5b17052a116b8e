"""Capability scoring against lm-eval: CPU time, wall time, memory and values on the same prompts.

    python benchmarks/capability.py [--runs 3] [--questions 20] [--work mmlu-causal ...]

Writes benchmarks/results/capability.json. The peer is installed into an environment of its own
(--peer, default benchmarks/.environments/lm-eval). Models are random, of GPT-2 small's and T5
small's shapes; texts are synthetic. One thread; runs alternate; medians of ratios.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import venv
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
PEER = "0.4.13"
WORKS = ("mmlu-causal", "mmlu-encdec", "bbh-causal")


def main() -> None:
    """Measure every work in turn and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--questions", type=int, default=20, help="per subject")
    parser.add_argument("--subjects", type=int, default=3)
    parser.add_argument("--work", nargs="*", default=WORKS, choices=WORKS)
    parser.add_argument("--peer", type=Path, default=HERE / ".environments" / "lm-eval")
    parser.add_argument("--assets", type=Path, default=HERE / ".environments" / "capability-assets")
    options = parser.parse_args()
    make_questions(options.assets, options.subjects, options.questions)
    worker(sys.executable, "models", "", options.assets)
    peer_python = install_peer(options.peer)
    results = []
    for work in options.work:
        pairs = [
            (
                worker(peer_python, "peer", work, options.assets),
                worker(sys.executable, "ours", work, options.assets),
            )
            for _ in range(options.runs)
        ]
        results.append(compared(work, pairs))
        print(json.dumps(results[-1], indent=2), flush=True)
    target = HERE / "results" / "capability.json"
    target.parent.mkdir(exist_ok=True)
    kept = [
        row
        for row in (json.loads(target.read_text()) if target.exists() else [])
        if row["work"] not in options.work
    ]
    target.write_text(json.dumps(kept + results, indent=2) + "\n")


def compared(work: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """One row of the results: ratios are peer ÷ ours, limit_ratio ours ÷ the flop limit."""
    peer, ours = pairs[-1]
    if work.startswith("mmlu"):
        difference = max(
            abs(left - right)
            for key, values in peer["answers"].items()
            for left, right in zip(values, ours["answers"][key], strict=True)
        )
    else:  # share of texts that differ
        differ = [text != ours["answers"][key] for key, text in peer["answers"].items()]
        difference = sum(differ) / len(differ)
    assert peer["answers"].keys() == ours["answers"].keys()
    limit = ours["limit_s"]
    return {
        "work": work,
        "peer": "lm-eval",
        "peer_version": PEER,
        "cpu_ratio": round(median(p["cpu_s"] / o["cpu_s"] for p, o in pairs), 2),
        "wall_ratio": round(median(p["wall_s"] / o["wall_s"] for p, o in pairs), 2),
        "limit_ratio": limit and round(median(o["wall_s"] / o["limit_s"] for _, o in pairs), 2),
        "max_difference": difference,
        "peak_growth_mb": round(median(o["growth_mb"] for _, o in pairs)),
        "peer_peak_growth_mb": round(median(p["growth_mb"] for p, _ in pairs)),
        "questions": len(ours["answers"]),
        "runs": len(pairs),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 thread used",
        "date": datetime.now(UTC).date().isoformat(),
    }


def worker(python: str, side: str, work: str, assets: Path) -> dict[str, Any]:
    """Run one side in a fresh process with one thread; what it prints last is its result."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    quiet = {"TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [python, str(HERE / "capability_worker.py"), side, work, str(assets)],
        env={**os.environ, **threads, **quiet, "HF_DATASETS_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


def install_peer(folder: Path) -> str:
    """The peer's Python, in an environment that is made if need be."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", f"lm-eval[hf]=={PEER}", "torch==2.13.0"],
            check=True,
        )
    return str(python)


def make_questions(folder: Path, n_subjects: int, n_questions: int) -> None:
    """Synthetic questions of MMLU's and BBH's lengths (about 700 and 300 tokens with shots)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "ou", "an")]
    words = ["".join(rng.choices(syllables, k=rng.choice([1, 2, 2, 3]))) for _ in range(3000)]

    def text(low: int, high: int) -> str:
        return " ".join(rng.choices(words, k=rng.randint(low, high)))

    for subject in range(n_subjects):
        for split, n in (("dev", 5), ("test", n_questions)):
            rows = [
                {
                    "question_id": f"subject_{subject}-{split}-{number}",
                    "question": text(15, 60).capitalize() + "?",
                    "choices": [text(1, 8) for _ in range(4)],
                    "gold": rng.randrange(4),
                    "input": text(30, 80).capitalize(),
                    "target": text(1, 3),
                }
                for number in range(n)
            ]
            with (folder / f"subject_{subject}_{split}.jsonl").open("w") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
    stale = folder.glob("subject_*.jsonl")
    for path in stale:
        if int(path.stem.split("_")[1]) >= n_subjects:
            path.unlink()


if __name__ == "__main__":
    main()
