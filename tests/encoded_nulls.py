"""Simulated studies scored by the encoder: arms of a tuning experiment, and permutation tests."""

from dataclasses import replace

import numpy as np
import pandas as pd
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.analysis.trajectory import arms, quantities
from brainalign.encoding.alignment import score_model
from brainalign.encoding.banded import Nuisance
from brainalign.encoding.benchmark import SimilarityBenchmark
from brainalign.encoding.features import Features
from brainalign.encoding.regression import make_regression
from brainalign.encoding.scorers import RegressionScorer, Scorer, SimilarityScorer
from brainalign.encoding.settings import Alphas, Cka, Pairs, Ridge, Rsa
from brainalign.encoding.similarity import make_similarity
from brainalign.settings import tag_of
from brainalign.simulation.subjects import autocorrelated
from encoded_studies import BENCHMARKS, Design, draw_noise, draw_responses, scored

PERMUTATIONS = 19  # the least p is .05
UNITS = 24
FOLDS = Ridge(inner_folds=3, alphas=Alphas(1.0, 1e4, 5, relative=True))


def arm_findings(design: Design, seed: list[int]) -> dict[str, bool]:
    """Which p of arms.csv fall below .05; `design.bases` seeds of an arm and of its control.

    `design.shared`: what the seeds of an arm have in common; `better`: arm instruction's noise is
    smaller by this share.
    """
    rng = np.random.default_rng(seed)
    state, responses, benchmark = draw_responses(design, rng)
    noise, rows = {}, []
    for arm, better in (("instruction", design.better), ("shuffled", 0.0)):
        common = draw_noise(len(state), rng)
        for i in range(design.bases):
            pairs = zip(common, draw_noise(len(state), rng), strict=True)
            e, junk = (
                design.shared**0.5 * both + (1 - design.shared) ** 0.5 * part
                for both, part in pairs
            )
            noise[f"{arm}{i}"] = (1 - better) * e, junk
            rows.append({"model": f"{arm}{i}", "arm": arm, "seed": i})
    models = {
        name: {
            "base": "v", "family": "F", "role": "checkpoint", "label": name, "published": None,
            "simulated": True, "parameters": 1e8,
        }
        for name in noise
    }  # fmt: skip
    results = scored(noise, state, responses, benchmark)
    tables = collect_scores(results, {}, model_table(models, []), BENCHMARKS, [])
    values = quantities(scores=tables["scores"]).merge(pd.DataFrame(rows), on="model")
    about = {"experiment": "e", "base": "v", "along": "samples", "position": 100}
    about |= {"tokens": 1, "learned_tokens": 1}
    table = arms(values.assign(**about), tables["subjects"])
    row = table[(table["kind"] == "brain") & (table["quantity"] == "d")].iloc[0]
    return {"p": row["p"] < 0.05, "p, these stimuli": row["p_these_stimuli"] < 0.05}


def permutation_findings(related: float, seed: list[int]) -> dict[str, bool]:
    """Which permutation tests give the least p, .05, for features that drift in each passage, and
    whether the interval of unique variance lies above 0.

    `related`: how much of the planted state the features hold beside their drift.
    """
    rng = np.random.default_rng(seed)
    design = Design(12, 12, 3, 20)
    state, responses, benchmark = draw_responses(design, rng)
    first = np.arange(len(state)) % design.rows == 0
    weights = rng.standard_normal((state.shape[1], UNITS)) / state.shape[1] ** 0.5
    features = Features(autocorrelated(first, UNITS, rng) + related * state @ weights)
    result = {}
    for kind in (Rsa, Cka):
        entry = kind(pairs=Pairs(contexts="apart"), permutations=PERMUTATIONS)
        other = SimilarityBenchmark(
            similarity=make_similarity(entry, benchmark.groups), scheme=benchmark.scheme,
            splits=benchmark.splits, groups=benchmark.groups, aggregate=benchmark.aggregate,
            layers="best", reduce=None, seed=seed[-1],
        )  # fmt: skip
        table = _table(features, SimilarityScorer(responses, other))
        result[f"{tag_of(entry)}, p_permutation"] = _least(table, "r_p")
    inner = replace(benchmark, regression=make_regression(FOLDS))
    length = Features(rng.standard_normal((len(state), 2)))
    nuisance = Nuisance({"length": length}, responses, inner, 1, PERMUTATIONS)
    table = _table(features, RegressionScorer(responses, inner, nuisance))
    result["unique variance, unique_p"] = _least(table, "unique_p")
    about = {"role": "vanilla", "family": "F", "label": "m", "published": None, "parameters": 1e8}
    models = model_table({"m": {**about, "base": None, "simulated": True}}, [])
    scores = collect_scores([("m", "b", table)], {}, models, BENCHMARKS, [])["scores"]
    full = scores[scores["region"] == "all"].iloc[0]
    result["unique variance, interval above 0"] = bool(full["unique_low"] > 0)
    return result


def _table(features: Features, scorer: Scorer) -> pd.DataFrame:
    def layers(names):
        return [("l", features)]

    return score_model(layers, ["l"], scorer)


def _least(table: pd.DataFrame, column: str) -> bool:
    """Whether a p is the least that there is."""
    return bool(table[column].dropna().iloc[0] <= 1 / (PERMUTATIONS + 1) + 1e-9)
