"""Brain alignment: how well each layer of a model predicts the responses of a benchmark."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.encoding.banded import Nuisance, held_out_autocorrelation
from brainalign.encoding.benchmark import RegressionBenchmark, SimilarityBenchmark, read_benchmark
from brainalign.encoding.chance import check_chance
from brainalign.encoding.features import Features
from brainalign.encoding.finished_layers import FinishedLayers, LayerScores
from brainalign.encoding.language_units import with_units
from brainalign.encoding.layer_choice import LayerChoice, nested_rows, overall
from brainalign.encoding.layers import FeatureReader, Layers, words_to_volumes
from brainalign.encoding.responses import Responses, gather_responses
from brainalign.encoding.scorers import RegressionScorer, Scorer, SimilarityScorer
from brainalign.encoding.settings import UNIT_METHODS, Scoring
from brainalign.encoding.splits import Split
from brainalign.encoding.summary import (
    COLUMNS,
    OF_CHOSEN,
    Scores,
    reason,
)
from brainalign.encoding.target_scores import TargetFile, TargetScores, target_scores
from brainalign.formats.activations import ActivationFile

LOG = logging.getLogger("brainalign")
AT_LOWEST = 0.05  # of the targets may have the lowest alpha of the grid without a warning


def align(
    activations: ActivationFile,
    stimuli: pd.DataFrame,
    dataset: xr.Dataset,
    scoring: Scoring,
    device: str,
    seed: int,
    nuisance: Mapping[str, ActivationFile] | None = None,
    finished: FinishedLayers | None = None,
    selectivity: pd.DataFrame | None = None,
    targets: TargetFile | None = None,
) -> pd.DataFrame:
    """Score all layers of an activation file under the settings of a benchmark.

    Parameters
    ----------
    activations : a file of activations/ (docs/architecture.md, "Files"), of these stimuli.
    stimuli, dataset : a prepared dataset; `dataset` holds `responses` [stimulus or volume, target].
    nuisance : name → features beyond which the chosen layer's unique variance is computed.
    finished : as of `score_model`.
    selectivity : of the model's units, where the benchmark keeps those that prefer sentences or
        non-words (`language_units.selectivity`).
    targets : where the scores of every target go; None: nowhere.

    Returns
    -------
    The alignment table, `summary.COLUMNS`, as of `score_model`.

    Raises
    ------
    InputError : activations of other stimuli, NaN or Inf in a layer, or settings that do not suit
        the data.
    """
    responses = gather_responses(dataset, scoring.timing, device)
    benchmark = read_benchmark(scoring, stimuli, dataset, seed)
    words = words_to_volumes(scoring.timing, stimuli, dataset)
    reader = FeatureReader(stimuli, dataset, words, benchmark.intercept, device, seed)
    _report_targets(responses)
    LOG.info(
        "%d layers, %d rows, %d targets, %d folds on %s",
        len(activations.layers), responses.n_rows, responses.measured.size,
        len(benchmark.splits), device,
    )  # fmt: skip
    reduce = benchmark.reduce
    if reduce is not None and reduce.method in UNIT_METHODS:
        activations, reduce = with_units(activations, reduce, selectivity, seed), None
    layers = reader.layers(activations, reduce)
    names = activations.layers
    if isinstance(benchmark, SimilarityBenchmark):
        return score_model(layers, names, SimilarityScorer(responses, benchmark), finished)
    check_chance(responses, benchmark)
    beyond = _nuisance(nuisance or {}, reader, responses, benchmark, scoring)
    scorer = RegressionScorer(responses, benchmark, beyond)
    with (
        target_scores(targets, dataset, responses, names, benchmark) if targets else nullcontext()
    ) as kept:
        return score_model(layers, names, scorer, finished, kept)


def _nuisance(
    files: Mapping[str, ActivationFile],
    reader: FeatureReader,
    responses: Responses,
    benchmark: RegressionBenchmark,
    scoring: Scoring,
) -> Nuisance | None:
    """The baselines that unique variance is beyond; None where it is not asked for."""
    asked = scoring.unique_variance
    if not files or asked is None:
        return None
    kinds = {name: file.metadata.get("baseline", "") for name, file in files.items()}
    empty = held_out_autocorrelation(kinds, benchmark.scheme)
    if empty:
        LOG.info("%s: left out of beyond, for groups are held out", ", ".join(empty))
    # All their units, though a layer is reduced: what they explain is not the layer's.
    spaces = {
        name: reader.only_layer(name, file) for name, file in files.items() if name not in empty
    }
    beyond = Nuisance(spaces, responses, benchmark, asked.candidates, asked.shifts)
    LOG.info("unique variance beyond %s", ", ".join(spaces))
    return beyond


def score_model(
    layers: Layers,
    names: Sequence[str],
    scorer: Scorer,
    finished: FinishedLayers | None = None,
    targets: TargetScores | None = None,
) -> pd.DataFrame:
    """The alignment table of a model (`summary.COLUMNS`): every layer, and the chosen one.

    Parameters
    ----------
    layers : gives (name, features) of the named layers; only one is held at a time, but for the
        chosen ones (of each fold one) where they are compared with more than the responses.
    names : all layer names, in the model's order.
    finished : keeps the scores of each layer, and has those that a stopped run has kept.
    targets : takes the scores of every target.
    """
    benchmark, responses = scorer.benchmark, scorer.responses
    nested = benchmark.layers == "nested"
    keep = nested or targets is not None
    score = partial(_score, layers, scorer, keep)
    tables: list[pd.DataFrame] = []
    choice = LayerChoice(names, benchmark.layers, benchmark.stack, len(benchmark.splits))
    stack: Scores | None = None  # of each fold, those of the layer that stands for the model so far
    for index, name in enumerate(names):
        layer = finished.scores_of(name, partial(score, name)) if finished else score(name)
        table = layer.table.assign(layer=name, layer_index=index)
        table["depth"] = index / max(len(names) - 1, 1)
        tables.append(table)
        if targets is not None and layer.scores is not None:
            targets.layer(index, layer.scores)
        chosen = choice.add(overall(table)["r"].iloc[0], layer.inner)
        stack = _stacked(stack, layer.scores, chosen)
        _report(name, index, len(names), table)
    result = pd.concat(tables, ignore_index=True)
    _warn(result)
    result = result.assign(chosen=False, beyond="", **dict.fromkeys(OF_CHOSEN, np.nan))
    result["n_missed"] = 0
    if nested:
        rows = nested_rows(result, choice.best)
        if stack is not None:
            stacked = scorer.aggregate(stack.stacked)
            keys = zip(rows["subject"], rows["region"], rows["fold"], strict=True)
            rows["r_stacked"] = [
                float(stacked[who, where]) if fold == -1 else np.nan for who, where, fold in keys
            ]
        result = pd.concat([result, rows], ignore_index=True)
    else:
        result.loc[result["layer_index"] == choice.best[0], "chosen"] = True
    if responses.missed:
        result["n_missed"] = _missed(result, responses, benchmark.splits)
    if targets is not None and stack is not None:
        targets.chosen(stack, choice.best)
    null = scorer.compare_chosen(result, partial(_of_folds, layers, names, choice.best))
    if targets is not None and null is not None:
        targets.null(null)
    return result[list(COLUMNS)]


def _score(
    layers: Layers,
    scorer: Scorer,
    keep: bool,
    name: str,
) -> LayerScores:
    """The scores of a layer, and what nested choice compares it by.

    `keep`: the scores of every target, too.
    """
    ((_, features),) = layers([name])
    table, scores = scorer.score(features)
    table = table.assign(reduction=features.reduction)
    kept = scores if keep else None
    if scorer.benchmark.layers != "nested":
        return LayerScores(table, scores=kept)
    if scores is not None and scores.inner_r is not None:
        inner = tuple(scorer.aggregate(scores.inner_r)["all", "all"].tolist())
        return LayerScores(table, inner, kept)
    inside = (scorer.overall_r(features, splits) for splits in scorer.benchmark.inner_folds())
    return LayerScores(table, tuple(inside), kept)


def _stacked(stack: Scores | None, layer: Scores | None, better: np.ndarray) -> Scores | None:
    """`stack` with the scores of a layer in the folds that choose it, bool [fold]."""
    if stack is None or layer is None:
        return layer if stack is None else stack
    for fold in np.flatnonzero(better).tolist():
        stack.take(fold, layer)
    return stack


def _report_targets(responses: Responses) -> None:
    """Warn of targets without a score, and of rows that subjects missed."""
    lost = int((~responses.measured).sum())
    if lost:
        first = int(np.flatnonzero(~responses.measured)[0])
        LOG.warning(
            "%d of %d targets have no score (%s), first %s",
            lost, responses.measured.size, reason(responses.unmeasured[~responses.measured]),
            responses.targets.ids[first],
        )  # fmt: skip
    for subject, missed in responses.missed.items():
        LOG.warning("%s missed %d of %d rows", subject, missed.sum(), missed.size)


def _missed(table: pd.DataFrame, responses: Responses, splits: Sequence[Split]) -> list[int]:
    """How many test rows of its fold each row's subject missed; of all rows on fold -1.

    Subject `all`: the most that one of them did.
    """
    folds = {-1: np.arange(responses.n_rows), **{k: split.test for k, split in enumerate(splits)}}
    counts = {
        (subject, fold): int(missed[rows].sum())
        for subject, missed in responses.missed.items()
        for fold, rows in folds.items()
    }
    most = {
        ("all", fold): max(counts[subject, fold] for subject in responses.missed) for fold in folds
    }
    counts |= most
    return [counts.get(key, 0) for key in zip(table["subject"], table["fold"], strict=True)]


def _of_folds(layers: Layers, names: Sequence[str], best: np.ndarray) -> list[Features]:
    """The features of the layer that is chosen in each fold; one object per layer."""
    wanted = [names[index] for index in best]
    read = dict(layers(list(dict.fromkeys(wanted))))
    return [read[name] for name in wanted]


def _report(name: str, index: int, n_layers: int, table: pd.DataFrame) -> None:
    r = overall(table)["r"].iloc[0]
    LOG.info("layer %d/%d %s: r = %.4f", index + 1, n_layers, name, r)


def _warn(layers: pd.DataFrame) -> None:
    """Say once for all layers what of a table should be looked at."""
    all_regions = overall(layers)
    undefined, n = all_regions["n_undefined"], len(all_regions)
    if undefined.any():
        LOG.warning("up to %d targets have no r in some fold", undefined.max())
    unreduced = all_regions[all_regions["reduction"].str.startswith("none")]
    if len(unreduced):
        why = unreduced["reduction"].iloc[0].removeprefix("none: ")
        LOG.warning("%d of %d layers are not reduced: %s", len(unreduced), n, why)
    # Targets that are predicted by nothing take the highest alpha on any grid.
    lowest = all_regions.loc[all_regions["alpha_at_lowest"] > AT_LOWEST, "alpha_at_lowest"]
    if len(lowest):
        LOG.warning(
            "the lowest alpha of the grid is chosen in %d of %d layers for over %.0f %% of the "
            "targets (at most %.0f %%): a lower alphas.low may fit better",
            len(lowest), n, 100 * AT_LOWEST, 100 * lowest.max(),
        )  # fmt: skip
