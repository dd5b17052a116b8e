"""Capability scoring against lm-eval: CPU time, wall time, memory and values on the same prompts.

    python benchmarks/capability.py [--runs 3] [--mirror FOLDER] [--work mmlu-causal ...]

Writes benchmarks/results/capability.json and the table of it in RESULTS.md. The peer is installed
into an environment of its own (--peer, default benchmarks/.environments/lm-eval). Models are
random, of GPT-2 small's, T5 small's and a small LLaMA's shape, with synthetic questions; and
SmolLM2-135M-Instruct with real ones (from the mirror, else downloaded). One thread; runs alternate;
medians of ratios.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import venv
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
PEER = "0.4.13"
WORKS = (
    "mmlu-causal", "mmlu-encdec", "mmlu-llama", "mmlu-smollm2", "bbh-causal", "bbh-smollm2",
)  # fmt: skip


def main() -> None:
    """Measure every work in turn and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--questions", type=int, default=100, help="of the one synthetic subject")
    parser.add_argument("--work", nargs="*", default=WORKS, choices=WORKS)
    parser.add_argument("--mirror", default="", help="folder of raw data, looked at first")
    parser.add_argument("--peer", type=Path, default=HERE / ".environments" / "lm-eval")
    parser.add_argument("--assets", type=Path, default=HERE / ".environments" / "capability-assets")
    options = parser.parse_args()
    make_questions(options.assets / "synthetic", options.questions)
    worker(sys.executable, "models", "", options.assets)
    if any(work.endswith("smollm2") for work in options.work):
        worker(sys.executable, "real", options.mirror, options.assets)
    peer_python = install_peer(options.peer)
    for work in options.work:
        pairs = [
            (
                worker(peer_python, "peer", work, options.assets),
                worker(sys.executable, "ours", work, options.assets),
            )
            for _ in range(options.runs)
        ]
        result = compared(work, pairs)
        print(json.dumps(result, indent=2), flush=True)
        write(result)
        tabulate()


def write(result: dict[str, Any]) -> None:
    """Put a result in place of the one of the same work."""
    target = HERE / "results" / "capability.json"
    target.parent.mkdir(exist_ok=True)
    old = json.loads(target.read_text()) if target.exists() else []
    rows = [row for row in old if row["work"] != result["work"]] + [result]
    rows.sort(key=lambda row: WORKS.index(row["work"]))
    target.write_text(json.dumps(rows, indent=2) + "\n")


def tabulate() -> None:
    """Write the table of the results into RESULTS.md, between its marks."""
    columns = {
        "work": "work", "questions": "questions", "cpu_ratio": "CPU ratio",
        "wall_ratio": "wall ratio", "memory_ratio": "memory ratio", "limit_ratio": "× flop limit",
        "max_difference": "largest difference", "different": "answers that differ",
        "cpu_s": "CPU s", "runs": "runs", "date": "date",
    }  # fmt: skip
    lines = [f"| {' | '.join(columns.values())} |", f"|{' --- |' * len(columns)}"]
    for row in json.loads((HERE / "results" / "capability.json").read_text()):
        cells = ["" if row[key] is None else row[key] for key in columns]
        cells = [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells]
        lines.append(f"| {' | '.join(cells)} |")
    path = HERE / "RESULTS.md"
    before, rest = path.read_text().split("<!-- capability -->\n")
    after = rest.split("<!-- end -->", 1)[1]
    table = "\n".join(lines)
    path.write_text(f"{before}<!-- capability -->\n{table}\n<!-- end -->{after}")


def compared(work: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """One row of the results: ratios are peer ÷ ours, limit_ratio ours ÷ the flop limit.

    `max_difference` is between log-likelihoods (nats); `different` counts questions whose choice
    (MMLU) or text (BBH) is another. `ties` counts ours that were decided by rule.
    """
    theirs, ours = (side["answers"] for side in pairs[-1])
    assert theirs.keys() == ours.keys()
    difference = None
    if work.startswith("mmlu"):
        difference = max(
            abs(left - right)
            for key, values in theirs.items()
            for left, right in zip(values, ours[key], strict=True)
        )
        theirs, ours = ({k: v.index(max(v)) for k, v in one.items()} for one in (theirs, ours))

    def ratio(key: str) -> float:
        return round(median(p[key] / o[key] for p, o in pairs), 2)

    return {
        "work": work,
        "peer": "lm-eval",
        "peer_version": PEER,
        "cpu_ratio": ratio("cpu_s"),
        "wall_ratio": ratio("wall_s"),
        "memory_ratio": ratio("growth_mb"),
        "limit_ratio": round(median(o["cpu_s"] / o["limit_s"] for _, o in pairs), 2)
        if pairs[-1][1]["limit_s"]
        else None,
        "max_difference": difference,
        "different": sum(theirs[key] != ours[key] for key in ours),
        "ties": pairs[-1][1]["ties"],
        "cpu_s": round(median(o["cpu_s"] for _, o in pairs), 3),
        "peak_growth_mb": round(median(o["growth_mb"] for _, o in pairs)),
        "peer_peak_growth_mb": round(median(p["growth_mb"] for p, _ in pairs)),
        "questions": len(ours),
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
        with (folder / f"subject_0_{split}.jsonl").open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
