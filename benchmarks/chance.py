"""Are p of targets right, and what do they cost?

    python benchmarks/chance.py [--sets 200] [--processes 2] [--parts rates pairs times]

Prints the tables of RESULTS.md, section Chance, and writes them to results/chance.json.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "scripts"), str(HERE)]

import numpy as np  # noqa: E402
from brainalign.encoding.benchmark import of_rows  # noqa: E402
from brainalign.encoding.chance import null_distribution  # noqa: E402
from brainalign.encoding.correlation import Aggregate  # noqa: E402
from brainalign.encoding.features import Features  # noqa: E402
from brainalign.encoding.responses import Responses, Targets  # noqa: E402
from brainalign.encoding.scoring import score_layer  # noqa: E402
from brainalign.encoding.settings import Scoring  # noqa: E402
from brainalign.figures.target_contrasts import differing  # noqa: E402
from brainalign.settings import read  # noqa: E402
from chance_nulls import Pair, Scan, draw_contrast, draw_null  # noqa: E402
from measuring import Measured, matrix_rate  # noqa: E402
from scipy.stats import kstest  # noqa: E402

DRAWS = 199
METHODS = {
    "blocks": {"method": "blocks", "block": 10},
    "shifts": {"method": "shifts"},
    "phases": {"method": "phases"},
}
DISTRIBUTIONS = ("test", "refit")
ROWS, UNITS, TARGETS = 384, 4096, 12_155


def asked(distribution: str, method: str) -> dict[str, Any]:
    return {"distribution": distribution, "permutations": DRAWS, **METHODS[method]}


def p_of_one(scan: Scan, chance: dict[str, Any], seed: int) -> float:
    """p of a single target, so that those of different seeds are independent."""
    return float(draw_null(scan, chance, seed).p[0])


def group_p(scan: Scan, chance: dict[str, Any], seed: int) -> float:
    return draw_null(scan, chance, seed).group_p("x0")


def discoveries(scan: Scan, chance: dict[str, Any], seed: int) -> tuple[float, float]:
    """The share of significant targets that follow nothing, and that of related ones found."""
    significant = draw_null(scan, chance, seed).q <= 0.05
    false = significant[scan.related :].sum()
    return false / max(significant.sum(), 1), significant[: scan.related].mean()


def rates(pool: ProcessPoolExecutor, sets: int) -> list[dict[str, Any]]:
    """What p are where nothing is related, and how many discoveries are false where half is."""
    rows = []
    for distribution in DISTRIBUTIONS:
        for method in METHODS:
            chance = asked(distribution, method)
            p = np.array(list(pool.map(partial(p_of_one, Scan(), chance), range(sets))))
            group = Scan(subjects=6, targets=4, shared=0.5)
            together = np.array(list(pool.map(partial(group_p, group, chance), range(sets))))
            half = Scan(targets=100, related=50, signal=0.5)
            shares = np.array(list(pool.map(partial(discoveries, half, chance), range(sets // 4))))
            rows.append(
                {
                    "distribution": distribution, "method": method, "sets": sets,
                    "ks_p": kstest(p, "uniform").pvalue, "below_05": (p <= 0.05).mean(),
                    "group_ks_p": kstest(together, "uniform").pvalue,
                    "group_below_05": (together <= 0.05).mean(),
                    "false_discoveries": shares[:, 0].mean(), "power": shares[:, 1].mean(),
                }
            )  # fmt: skip
            print(json.dumps(rows[-1], default=float), flush=True)
    return rows


def p_of_pair(scan: Scan, pair: Pair, chance: dict[str, Any], seed: int) -> tuple[float, float]:
    """p of a single target's difference, and of the group's."""
    targets, summary = draw_contrast(scan, pair, chance, seed)
    return targets["p"][0], summary["group_p"].iloc[-1]


def any_region(scan: Scan, pair: Pair, chance: dict[str, Any], seed: int) -> bool:
    """Whether the figure of differences by region says of any region that it differs."""
    _, summary = draw_contrast(scan, pair, chance, seed)
    sure = differing(summary, 0.05)
    return any(sure[f"x{k}"] for k in range(scan.regions))


def discovered(scan: Scan, pair: Pair, chance: dict[str, Any], seed: int) -> tuple[float, float]:
    """Whether any target that differs by chance is significant, and the share of all others."""
    significant = draw_contrast(scan, pair, chance, seed)[0]["q"].to_numpy() <= 0.05
    false = significant[scan.related :].sum()
    return false / max(significant.sum(), 1), significant[: scan.related].mean()


def pair_rates(pool: ProcessPoolExecutor, sets: int) -> list[dict[str, Any]]:
    """p of tuned minus vanilla where neither, or both alike, are related to the responses."""
    rows = []
    for distribution in DISTRIBUTIONS:
        chance = asked(distribution, "blocks")
        result: dict[str, Any] = {"distribution": distribution, "sets": sets}
        for name, scan, pair in (
            ("unrelated", Scan(subjects=6, shared=0.5), Pair()),
            ("alike", Scan(subjects=6, shared=0.5, related=1, signal=0.5), Pair(related=True)),
        ):
            drawn = list(pool.map(partial(p_of_pair, scan, pair, chance), range(sets)))
            for what, p in zip(("target", "group"), np.array(drawn).T, strict=True):
                result[f"{name}_{what}_ks_p"] = kstest(p, "uniform").pvalue
                result[f"{name}_{what}_below_05"] = (p <= 0.05).mean()
            regions = replace(scan, targets=6, regions=6, related=6 * scan.related)
            sure = list(pool.map(partial(any_region, regions, pair, chance), range(sets)))
            result[f"{name}_any_region"] = np.mean(sure)
        half = Scan(targets=100, related=50, signal=2.0)
        better = Pair(related=True, noise=2.0, gain=4.0)
        shares = list(pool.map(partial(discovered, half, better, chance), range(sets // 4)))
        result["false_discoveries"], result["power"] = np.mean(shares, axis=0)
        rows.append(result)
        print(json.dumps(rows[-1], default=float), flush=True)
    return rows


def times() -> list[dict[str, Any]]:
    """CPU seconds of 1,000 draws (`refit`: of 20, times 50) beside one fit, of Pereira's size."""
    random = np.random.default_rng(0)
    x = random.standard_normal((ROWS, UNITS)).astype(np.float32)
    y = random.standard_normal((ROWS, TARGETS)).astype(np.float32)
    subjects, regions = np.full(TARGETS, "s"), np.full(TARGETS, "x")
    responses = Responses(y, Targets(np.arange(TARGETS).astype(str), subjects, regions))
    aggregate = Aggregate("median-within-subject", subjects.tolist(), regions.tolist())
    groups, rows = np.arange(ROWS) // 16, []
    for distribution, draws in (("test", 1000), ("refit", 20)):
        entry = {
            "regression": {"type": "ridge", "alphas": {"low": 1.0, "high": 1e6, "n": 7}},
            "split": {"scheme": "grouped", "folds": 5}, "layers": {"depth": 1.0},
            "chance": {"distribution": distribution, "permutations": draws},
        }  # fmt: skip
        benchmark = of_rows(read(entry, Scoring), range(ROWS), groups, groups)
        features = Features(x)
        with Measured() as fit:
            score_layer(features, responses, benchmark, benchmark.splits)
        with Measured() as null:
            null_distribution([features] * 5, responses, benchmark, aggregate)
        products = _product_seconds(benchmark.splits, len(benchmark.alphas))
        rows.append(
            {
                "distribution": distribution, "draws": draws, "fit_cpu_s": fit.cpu,
                "null_cpu_s": null.cpu, "growth_mb": null.memory / 1024,
                "products_cpu_s": products * (1 + draws) if distribution == "refit" else np.nan,
            }
        )  # fmt: skip
        print(json.dumps(rows[-1], default=float), flush=True)
    return rows


def _product_seconds(splits: Any, n_alphas: int) -> float:
    """What one draw's products take at the machine's rate: half a square per alpha, predictions."""
    rate = matrix_rate(lambda a, b: np.random.default_rng(0).random((a, b), dtype=np.float32))
    operations = sum(n_alphas * s.train.size**2 + 2 * s.test.size * s.train.size for s in splits)
    return operations * TARGETS / rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--parts", nargs="*", default=["rates", "pairs", "times"])
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    path = HERE / "results" / "chance.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    with ProcessPoolExecutor(options.processes) as pool:
        work = {
            "rates": partial(rates, pool, options.sets),
            "pairs": partial(pair_rates, pool, options.sets),
            "times": times,
        }
        result |= {part: work[part]() for part in options.parts}
    path.write_text(json.dumps(result, indent=1, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
