"""Simulated studies that are scored by the encoder: what its tables find where the truth is known.

Stimuli, responses and features are drawn anew for every study, so a rate counts what a p value of
the tables leaves out: that other stimuli would have favoured another model.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from brainalign.analysis.baselines import against_baselines
from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.mixed_effects import mixed_effects
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.encoding.alignment import score_model
from brainalign.encoding.benchmark import RegressionBenchmark
from brainalign.encoding.features import Features
from brainalign.encoding.regression import make_regression
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.scorers import RegressionScorer
from brainalign.encoding.settings import Alphas, Ridge
from brainalign.encoding.splits import Grouped
from brainalign.simulation.subjects import Noise, centred, respond

STATE, JUNK, FOLDS = 12, 24, 6
RIDGE = Ridge(selection="gcv-per-target", alphas=Alphas(1e-4, 1e4, 17, relative=True))
BENCHMARKS = {
    "b": {"dataset": "d", "mode": "controlled", "layers": "best", "split": {"scheme": "grouped"}}
}


@dataclass(frozen=True)
class Design:
    """Stimuli in groups, subjects with targets, and vanilla models with one tuned model each.

    A model's features are the planted state with noise, beside features without information.
    `better`: by this share the tuned models' noise is smaller; at 0 the models are exchangeable.
    `shared`: the share of their noise that tuned models have in common, as by one tuning set.
    """

    groups: int
    rows: int
    subjects: int
    targets: int
    bases: int = 1
    better: float = 0.0
    shared: float = 0.0


def encoded_study(design: Design, seed: list[int]) -> dict[str, pd.DataFrame]:
    """Tables `scores` and `subjects` of one study; `baseline` is one more exchangeable model."""
    rng = np.random.default_rng(seed)
    state, responses, benchmark = draw_responses(design, rng)
    noise = _noise(design, len(state), rng)
    results = scored(noise, state, responses, benchmark)
    roles = {"v": "vanilla", "t": "tuned", "b": "baseline"}
    models = {
        name: {
            "base": f"v{name[1:]}" if name[0] == "t" else None, "family": "F",
            "role": roles[name[0]], "label": name, "published": None, "simulated": True,
            "parameters": 10.0 ** (8 + int(name[1:])),
        }
        for name in noise
    }  # fmt: skip
    tables = collect_scores(results, {}, model_table(models, []), BENCHMARKS, [])
    return {name: tables[name] for name in ("scores", "subjects")}


def draw_responses(
    design: Design, rng: np.random.Generator
) -> tuple[np.ndarray, Responses, RegressionBenchmark]:
    """The planted state [row, STATE], responses to it, and the benchmark that scores them."""
    n = design.groups * design.rows
    groups = np.repeat([f"s{i:02d}" for i in range(design.groups)], design.rows)
    state = centred(rng.standard_normal((n, STATE)), groups.tolist())
    drawn = respond(
        [state] * design.subjects, groups.tolist(), groups.tolist(), design.targets,
        Noise(1.0, 0.3, 0.8), rng,
    )  # fmt: skip
    ids = np.array([f"t{i}" for i in range(drawn.subject.size)])
    responses = Responses(drawn.values, Targets(ids, drawn.subject, np.full(ids.size, "r")))
    scheme = Grouped(folds=FOLDS, seed=1)
    rows = [f"{i:05d}" for i in range(n)]
    benchmark = RegressionBenchmark(
        regression=make_regression(RIDGE), scheme=scheme, splits=tuple(scheme.split(rows, groups)),
        groups=groups, aggregate="median-within-subject", layers="best", reduce=None, epsilon=0.0,
        seed=1,
    )  # fmt: skip
    return state, responses, benchmark


def scored(
    noise: dict[str, tuple[np.ndarray, np.ndarray]],
    state: np.ndarray,
    responses: Responses,
    benchmark: RegressionBenchmark,
) -> list[tuple[str, str, pd.DataFrame]]:
    """Alignment tables of models whose features are the state with `noise`."""
    return [
        (
            name,
            "b",
            score_model(
                lambda _, x=x: [("l", Features(x))], ["l"], RegressionScorer(responses, benchmark)
            ),
        )
        for name, x in ((name, np.hstack([state + e, junk])) for name, (e, junk) in noise.items())
    ]


def draw_noise(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The noise of a model's state [n, STATE], and features without information [n, JUNK]."""
    return rng.standard_normal((n, STATE)), rng.standard_normal((n, JUNK))


def _noise(
    design: Design, n: int, rng: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Model → the noise of its state, and its features without information."""
    common, drawn = draw_noise(n, rng), {}
    for i in range(design.bases):
        drawn[f"v{i}"] = draw_noise(n, rng)
        e, junk = (
            design.shared**0.5 * both + (1 - design.shared) ** 0.5 * part
            for both, part in zip(common, draw_noise(n, rng), strict=True)
        )
        drawn[f"t{i}"] = (1 - design.better) * e, junk
    return drawn | ({"b0": draw_noise(n, rng)} if design.bases == 1 else {})


def encoded_findings(design: Design, seed: list[int]) -> dict[str, bool | float]:
    """Which p of the tables fall below .05; `difference` and the score's interval as numbers."""
    tables = encoded_study(design, seed)
    table = contrasts(**tables)
    table = table[table["dataset"] == "d"]
    if design.bases == 1:
        pair = table[table["level"] == "pair"].iloc[0]
        row = against_baselines(**tables).set_index("model").loc["t0"]
        full = tables["scores"][tables["scores"]["region"] == "all"]
        score = full.set_index("model").loc["v0"]
        return {
            "a pair": pair["p"] < 0.05,
            "a pair, these stimuli": pair["p_these_stimuli"] < 0.05,
            "against a baseline": row["p"] < 0.05,
            "difference": pair["absolute"],
            "r": score["r"], "low": score["low"], "high": score["high"],
        }  # fmt: skip
    overall = table[table["level"] == "overall"].set_index("unit")
    bases, pairs = overall.loc["bases"], overall.loc["pairs"]
    fit = mixed_effects(**tables)
    fit = fit[fit["dataset"] == "d"].set_index("term")["p"]
    return {
        "bases": bases["p"] < 0.05,
        "bases, these stimuli": bases["p_these_stimuli"] < 0.05,
        "all pairs": pairs["p"] < 0.05,
        "all pairs, Wilcoxon, pairs as independent": pairs["p_independent"] < 0.05,
        "mixed model, tuned": fit.get("tuned", np.nan) < 0.05,
        "difference": bases["absolute"],
    }
