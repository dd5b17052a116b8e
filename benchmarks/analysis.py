"""Do the tests of the analysis keep their word, and how long does the end of the pipeline take?

    python benchmarks/analysis.py [rates | time] [--studies 400] [--only "encoded arms"]

`rates`: false-positive rates and power of every test over simulated studies in which the cause is
known (tests/simulated_studies.py, encoded_studies.py, encoded_nulls.py), or of those scenarios
whose name begins as `--only` says; some 30 minutes on two cores. `time`: wall and CPU time of all
tables and figures of analysis for the paper's 25 models, from files of scores that this program
invents. Writes benchmarks/results/analysis.json and the tables of it in RESULTS.md.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

# Every study is small: threads inside a process only get in each other's way.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "scripts"), str(HERE)]

import numpy as np  # noqa: E402
from altered_studies import control_findings  # noqa: E402
from analysis_study import timed_study  # noqa: E402
from encoded_nulls import arm_findings, permutation_findings  # noqa: E402
from encoded_studies import Design, encoded_findings  # noqa: E402
from scipy.stats import binom  # noqa: E402
from simulated_reading import (  # noqa: E402
    measures_findings,
    mixed_pair_findings,
    presentation_findings,
    single_reader_findings,
)
from simulated_studies import (  # noqa: E402
    EIGHT,
    Plant,
    answer_findings,
    beside_size_and_loss,
    contrast_findings,
    correlation_findings,
    family_answer_findings,
    loss_findings,
    rates,
    reading_findings,
    reading_pair_findings,
)

# Surprisal's slope (ms per bit), readers, stories of six that each reads, spread of slopes between
# readers, whether stories are held out of the mixed model.
SINGLE_READERS = {
    **{
        f"single readers, {name}": (single_reader_findings, world, share)
        for name, world, share in (
            ("no slope, 12 readers", (0.0, 12, None, 0.0, True), 0.12),
            ("slopes differ by 1.5, 0 on average", (0.0, 12, None, 1.5, False), 0.4),
            ("slopes differ by 4", (0.0, 12, None, 4.0, False), 0.4),
            ("slopes differ by 4, 24 readers of 2 stories", (0.0, 24, 2, 4.0, False), 0.3),
            ("slope 2, slopes differ by 1.5", (2.0, 12, None, 1.5, False), 0.1),
        )
    },
    "mixed pair, equal models": (mixed_pair_findings, (0.0,), 0.12),
    "mixed pair, better by .4": (mixed_pair_findings, (0.4,), 0.04),
    "presentations, no effect": (presentation_findings, (0.0, 0.0, 0.0), 0.3),
    "presentations, no effect, stories favour": (presentation_findings, (0.0, 0.0, 0.004), 0.3),
    "presentations, .004 nats of either": (presentation_findings, (0.004, 0.004, 0.0), 0.1),
    "measures, tuning changes loss alone": (measures_findings, (0.0,), 0.3),
    "measures, tuning adds .005 nats beyond loss": (measures_findings, (0.005,), 0.06),
}
DIFFERING = Plant(model_sd=0, slope_sd=0.01)
# name → what finds, its study, the share of the studies that it takes (a false-positive rate needs
# more than a power).
SCENARIOS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], float]] = {
    "correlates, no cause": (correlation_findings, (Plant(),), 1),
    "correlates, cause size": (correlation_findings, (Plant(size=0.02),), 0.4),
    "correlates, cause knowledge": (correlation_findings, (Plant(knowledge=0.02),), 0.4),
    "correlates, cause formal competence": (correlation_findings, (Plant(formal=0.02),), 0.4),
    "correlates, cause size, accuracy measured with noise": (
        correlation_findings, (Plant(size=0.02, accuracy_sd=0.04),), 0.4,
    ),
    "correlates, cause knowledge, accuracy measured with noise": (
        correlation_findings, (Plant(knowledge=0.02, accuracy_sd=0.04),), 0.4,
    ),
    "correlates, no cause, 8 vanilla models": (correlation_findings, (Plant(families=EIGHT),), 1),
    "correlates, no cause, families differ": (correlation_findings, (Plant(family_sd=0.02),), 1),
    "correlates, no cause, one tuned model each": (
        correlation_findings, (Plant(tuned_per_base=1),), 1,
    ),
    "reading times, surprisal has no part": (reading_findings, (), 1),
    "loss, tuning changes loss alone, 5 pairs": (loss_findings, (0.0, 5, 0.0), 0.6),
    "loss, the same, stories favour tuned models": (loss_findings, (0.0, 5, 0.004), 0.6),
    "loss, the same, 8 pairs": (loss_findings, (0.0, 8, 0.004), 0.6),
    "loss, tuning adds .005 nats beyond loss, stories alike": (loss_findings, (0.005, 5, 0.0), 0.2),
    "loss, the same, stories favour": (loss_findings, (0.005, 5, 0.004), 0.2),
    "reading pair, equal models": (reading_pair_findings, (0.0,), 0.4),
    "reading pair, better by a fifth": (reading_pair_findings, (0.2,), 0.2),
    "accuracy over models, no gain": (family_answer_findings, (0.0, 0.0), 1),
    "accuracy over models, no gain, shared luck": (family_answer_findings, (0.0, 0.5), 1),
    "accuracy over models, gain of .1 in skill": (family_answer_findings, (0.1, 0.0), 0.4),
    "accuracy, equal models": (answer_findings, (), 1),
    "tables, tuning alike": (contrast_findings, (Plant(model_sd=0),), 0.6),
    "tables, stimuli favour models at random": (
        contrast_findings, (Plant(model_sd=0, stimulus_sd=0.02),), 0.6,
    ),
    "tables, responding differently": (contrast_findings, (DIFFERING,), 0.6),
    "tables, responding differently, 8 vanilla models": (
        contrast_findings, (Plant(model_sd=0, slope_sd=0.01, families=EIGHT),), 0.6,
    ),
    "tables, families respond differently": (
        contrast_findings, (Plant(model_sd=0, family_slope_sd=0.01),), 0.6,
    ),
    "tables, responding differently, one tuned model each": (
        contrast_findings, (Plant(model_sd=0, slope_sd=0.01, tuned_per_base=1),), 0.6,
    ),
    "tables, gain .005": (contrast_findings, (Plant(tuning=0.005, slope_sd=0.005),), 0.2),
    **{
        f"encoded pair, {name}": (encoded_findings, (design,), share)
        for name, design, share in (
            ("24 × 8 rows, 9 × 20 targets", Design(24, 8, 9, 20), 1),
            ("8 × 24 rows, 10 × 12 targets", Design(8, 24, 10, 12), 1),
            ("24 × 8 rows, 9 × 300 targets", Design(24, 8, 9, 300), 0.6),
            ("12 × 8 rows, 27 × 60 targets", Design(12, 8, 27, 60), 0.6),
            ("first design, better by .005", Design(24, 8, 9, 20, better=0.027), 0.4),
            ("first design, better by .01", Design(24, 8, 9, 20, better=0.055), 0.4),
            ("first design, better by .02", Design(24, 8, 9, 20, better=0.105), 0.4),
        )
    },
    **{
        f"encoded bases, {name}": (encoded_findings, (design,), share)
        for name, design, share in (
            ("shared 0", Design(12, 12, 6, 60, bases=6), 0.4),
            ("shared .3", Design(12, 12, 6, 60, bases=6, shared=0.3), 0.4),
            ("shared .7", Design(12, 12, 6, 60, bases=6, shared=0.7), 0.4),
            ("3 bases, shared .7", Design(12, 12, 6, 60, bases=3, shared=0.7), 0.4),
            ("shared .3, better by .02", Design(12, 12, 6, 60, 6, 0.105, 0.3), 0.2),
        )
    },
    **SINGLE_READERS,
    **{
        f"encoded arms, {name}": (arm_findings, (design,), share)
        for name, design, share in (
            ("3 seeds", Design(12, 12, 6, 60, bases=3), 0.6),
            ("3 seeds, shared .7", Design(12, 12, 6, 60, bases=3, shared=0.7), 0.6),
            ("shared .7, better by .02", Design(12, 12, 6, 60, 3, 0.105, 0.7), 0.2),
        )
    },
    "permutations, features of no relation": (permutation_findings, (0.0,), 0.4),
    "permutations, features of the state": (permutation_findings, (0.5,), 0.1),
    "controls of texts, responses of no text": (control_findings, (0.5, False), 1),
    "controls of texts, a truth blind to order": (control_findings, (1.0, True), 1),
    "controls of texts, a truth that knows order": (control_findings, (0.5, True), 0.4),
    "given size and loss, no cause": (beside_size_and_loss, (Plant(),), 1),
    "given size and loss, cause size": (beside_size_and_loss, (Plant(size=0.02),), 1),
    "given size and loss, cause knowledge": (beside_size_and_loss, (Plant(knowledge=0.02),), 0.4),
    "given size and loss, cause formal competence": (
        beside_size_and_loss, (Plant(formal=0.02),), 0.4,
    ),
}  # fmt: skip


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=["rates", "time", "all"], default="all")
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if options.part != "time":
        for index, name in enumerate(SCENARIOS):
            if not name.startswith(options.only):
                continue
            measured = measure(name, index, options.studies)
            print(json.dumps(measured, indent=2, ensure_ascii=False), flush=True)
            write(name, measured)
    if options.part != "rates":
        write("time", timed_study())
    tabulate()


def measure(name: str, seed: int, studies: int) -> dict[str, Any]:
    """The rates of one scenario."""
    findings, plants, share = SCENARIOS[name]
    n = round(share * studies)
    with ProcessPoolExecutor() as pool:
        runs = pool.map(partial(findings, *plants), [[seed, i] for i in range(n)], chunksize=5)
        studies = list(runs)
    numbers = _numbers(studies)
    return {"studies": n, "rates": rates(studies), "numbers": numbers}


def _numbers(studies: list[dict[str, Any]]) -> dict[str, float]:
    """The mean difference of encoded studies, and how often a score's interval misses its mean."""
    if "difference" not in studies[0]:
        return {}
    columns = {
        name: np.array([study.pop(name) for study in studies])
        for name in ("difference", "r", "low", "high")
        if name in studies[0]
    }
    numbers = {"mean difference": float(columns["difference"].mean())}
    if "r" in columns:
        truth = columns["r"].mean()
        outside = (columns["low"] > truth) | (columns["high"] < truth)
        numbers["a score's interval misses its mean over studies"] = float(outside.mean())
    return numbers


def write(name: str, result: dict[str, Any]) -> None:
    """Put one result in its place in the results file."""
    target = HERE / "results" / "analysis.json"
    target.parent.mkdir(exist_ok=True)
    old = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    target.write_text(
        json.dumps(old | {name: result}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def tabulate() -> None:
    """Write the tables of the results into RESULTS.md, between their marks."""
    results = json.loads((HERE / "results" / "analysis.json").read_text(encoding="utf-8"))
    kinds: dict[str, list[str]] = {}
    for name in SCENARIOS:
        if name in results:
            kinds.setdefault(name.split(", ")[0], []).append(name)
    tables = [_table(kind, names, results) for kind, names in kinds.items()]
    if "time" in results:
        tables.append(_times(results["time"]))
    path = HERE / "RESULTS.md"
    before, rest = path.read_text(encoding="utf-8").split("<!-- analysis -->\n")
    after = rest.split("<!-- analysis end -->")[1]
    text = "\n\n".join(tables)
    path.write_text(
        f"{before}<!-- analysis -->\n{text}\n<!-- analysis end -->{after}", encoding="utf-8"
    )


def _table(kind: str, names: list[str], results: dict[str, Any]) -> str:
    """A row per test, a column per scenario; bold: outside the 99 % binomial interval of .05."""
    heads = [f"{n.removeprefix(kind + ', ')} ({results[n]['studies']})" for n in names]
    lines = [f"| {' | '.join([kind, *heads])} |", f"|{' --- |' * (len(names) + 1)}"]
    for test in dict.fromkeys(test for name in names for test in results[name]["rates"]):
        cells = []
        for name in names:
            value = results[name]["rates"].get(test)
            if value is None:  # no interval over two families; grammar is not asked everywhere
                cells.append("–")
                continue
            n = results[name]["studies"]
            low, high = binom.ppf([0.005, 0.995], n, 0.05) / n
            text = f"{value:.3f}".removeprefix("0")
            cells.append(text if low <= value <= high else f"**{text}**")
        lines.append(f"| {' | '.join([test, *cells])} |")
    for number in results[names[0]].get("numbers", {}):
        cells = [f"{results[name]['numbers'][number]:.4f}" for name in names]
        lines.append(f"| {' | '.join([number, *cells])} |")
    return "\n".join(lines)


def _times(time: dict[str, Any]) -> str:
    rules: dict[str, list[float]] = {}
    for row in time["jobs"]:
        rules.setdefault(row["job"].split("/")[0], []).append(row["wall_s"])
    lines = ["| rule | jobs | s |", "| --- | --- | --- |"]
    for rule, walls in sorted(rules.items(), key=lambda item: -sum(item[1])):
        lines.append(f"| {rule} | {len(walls)} | {sum(walls):.1f} |")
    head = (
        f"{time['models']} models, {time['benchmarks']} benchmarks of alignment: "
        f"{time['wall_s']} s of wall time, cores: {time['cores']}, {time['cpu_s']} s of CPU "
        f"time of jobs (load {time['load']}), {time['date']}."
    )
    return "\n".join([head, "", *lines])


if __name__ == "__main__":
    main()
