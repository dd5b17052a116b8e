"""Brain alignment: how well each layer of a model predicts the responses of a benchmark."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
from array_api_compat import array_namespace

from brainalign.encoding.arrays import fetch, like, product, rows_of, runs_of
from brainalign.encoding.banded import Nuisance, held_out_autocorrelation
from brainalign.encoding.benchmark import Benchmark, read_benchmark
from brainalign.encoding.correlation import Aggregate, Prediction, agreement
from brainalign.encoding.features import Features, check_finite, ordered_like
from brainalign.encoding.finished_layers import FinishedLayers, LayerScores
from brainalign.encoding.inner_folds import FoldsFit
from brainalign.encoding.operators import Design, least_squares_operators, row_weights
from brainalign.encoding.regression import Fit, LeastSquares, LinearFit, Ridge, RidgeFit
from brainalign.encoding.responses import (
    TARGETS_AT_A_TIME,
    Responses,
    gather_responses,
    run_numbers,
)
from brainalign.encoding.settings import Reduction, Scoring, Timing
from brainalign.encoding.similarity import ResponseMatrices, Similarity
from brainalign.encoding.splits import Split
from brainalign.encoding.summary import (
    COLUMNS,
    OF_CHOSEN,
    Scores,
    mean_of_defined,
    reason,
    spread_of_defined,
    summarise,
    with_mean,
)
from brainalign.encoding.timing import WordsToVolumes
from brainalign.errors import InputError
from brainalign.formats.activations import ActivationFile

LOG = logging.getLogger("brainalign")
AT_EDGE = 0.05  # of the targets may have an alpha at an edge of the grid without a warning


def score_design(
    design: Design, rows: Split, responses: Responses, benchmark: Benchmark, split: Split
) -> Scores:
    """Scores of one fold, [1, target]; `rows` are the fold's rows in `design`."""
    regression = benchmark.regression
    assert not isinstance(regression, Similarity)
    inner: list[Split] = []
    if isinstance(regression, Ridge) and regression.selection == "folds-per-target":
        inner = benchmark.inner(split.train, regression.inner_folds)
    fit: Fit = regression.fit(design, rows, inner)
    choice = None
    if isinstance(fit, RidgeFit) and isinstance(regression, Ridge) and regression.shared:
        choice = fit.shared_choice(responses.gram(split))
        fit = fit.with_alpha(choice)
    scores = _undefined(1, responses, benchmark)
    for block in responses.blocks(TARGETS_AT_A_TIME):
        train, test = responses.fold(split, block)
        prediction, chosen = fit.predict(train)
        if scores.inner_r is not None and isinstance(fit, FoldsFit) and chosen is not None:
            each = fetch(fit.inner_r(train, chosen, benchmark.epsilon))
            scores.inner_r[0, block] = np.ma.masked_invalid(each).mean(axis=0).filled(np.nan)
        baseline = array_namespace(train).mean(train, axis=0) * float(benchmark.intercept)
        scores.put(0, block, agreement(prediction, test, baseline, benchmark.epsilon))
        if scores.alpha is not None:
            scores.alpha[0, block] = fetch(chosen) if choice is None else choice
    return scores.only(responses.measured)


def score_layer(
    features: Features, responses: Responses, benchmark: Benchmark, splits: Sequence[Split]
) -> Scores:
    """Cross-validated r and R² of every target under every fold.

    What a subject missed neither trains nor tests its targets (`Benchmark.presented`).

    Raises
    ------
    InputError : features and responses have different numbers of rows.
    """
    if features.words is None and len(features.values) != len(responses.values):
        raise InputError(
            f"features have {len(features.values)} rows, responses {len(responses.values)}"
        )
    if not responses.missed:
        return _score_layer(features, responses, benchmark, splits)
    scores = _undefined(len(splits), responses, benchmark)
    for part in responses.parts:
        presented = {k: benchmark.presented(split, part.missed) for k, split in enumerate(splits)}
        kept = {fold: split for fold, split in presented.items() if split is not None}
        if kept:
            found = _score_layer(features, part.responses, benchmark, list(kept.values()))
            scores.insert(list(kept), part.columns, found)
    return scores


def _undefined(n_folds: int, responses: Responses, benchmark: Benchmark) -> Scores:
    penalties = isinstance(benchmark.regression, Ridge)
    return Scores.undefined(n_folds, responses.measured.size, penalties, benchmark.chooses_once)


def _score_layer(
    features: Features, responses: Responses, benchmark: Benchmark, splits: Sequence[Split]
) -> Scores:
    least_squares = isinstance(benchmark.regression, LeastSquares)
    if least_squares and not features.fitted and not responses.cleaned:
        return _score_layer_at_once(features, responses, benchmark, splits)
    return Scores.of_folds(
        [score_design(*features.design(split), responses, benchmark, split) for split in splits]
    )


def _score_layer_at_once(
    features: Features, responses: Responses, benchmark: Benchmark, splits: Sequence[Split]
) -> Scores:
    """`score_layer` for least squares where all folds see the same features and responses.

    The folds' operators come from one inverse, and read the responses where they are, uncopied.
    Two more rows of each give the means of the predictions and of the training rows.
    """
    design, _ = features.design(splits[0])
    placed = responses.placed
    xp = array_namespace(placed)
    operators = []
    for split, whole in zip(splits, least_squares_operators(design, splits), strict=True):
        fit = LinearFit.of_operator(whole, design.tells_apart(split))
        baseline = row_weights(split.train, responses.n_rows) * float(benchmark.intercept)
        means = (fit.level[None, :], like(whole, baseline)[None, :])
        operators.append(like(placed, xp.concat((fit.operator, *means)), placed.dtype))
    runs = [runs_of(split.train) for split in splits]
    scores = Scores.undefined(len(splits), responses.measured.size, penalties=False)
    for block in responses.blocks(TARGETS_AT_A_TIME):
        seen = placed[:, block]
        for fold, (split, operator) in enumerate(zip(splits, operators, strict=True)):
            part: Any = None
            for run in runs[fold]:
                part = product(operator[:, run], seen[run, :], part)
            prediction, baseline = Prediction(part[:-2, :], part[-2, :]), part[-1, :]
            test = rows_of(seen, split.test)
            scores.put(fold, block, agreement(prediction, test, baseline, benchmark.epsilon))
    return scores.only(responses.measured)


class Layers(Protocol):
    """The layers of a model, read one after the other."""

    def __call__(self, names: Sequence[str]) -> Iterator[tuple[str, Features]]: ...


def score_model(
    layers: Layers,
    names: Sequence[str],
    responses: Responses,
    benchmark: Benchmark,
    nuisance: Nuisance | None = None,
    finished: FinishedLayers | None = None,
) -> pd.DataFrame:
    """The alignment table of a model (docs/architecture.md): every layer, and the chosen one.

    Parameters
    ----------
    layers : gives (name, features) of the named layers; only one is held at a time, but for the
        chosen ones (of each fold one) where they are compared with more than the responses.
    names : all layer names, in the model's order.
    nuisance : what the unique variance of the chosen layer is beyond.
    finished : keeps the scores of each layer, and has those that a stopped run has kept.
    """
    targets = responses.targets
    aggregate = Aggregate(benchmark.aggregate, targets.subjects.tolist(), targets.regions.tolist())
    tables: list[pd.DataFrame] = []
    inner: list[Sequence[float]] = []
    reasons = _reasons(responses, benchmark)

    if isinstance(benchmark.regression, Similarity):
        matrices = ResponseMatrices(responses, aggregate, benchmark.regression)

    def score(name: str) -> LayerScores:
        ((_, features),) = layers([name])
        scores: Scores | None = None
        if isinstance(benchmark.regression, Similarity):
            rows = features.rows(benchmark.splits[0].train)
            table = matrices.score(rows, benchmark.splits).assign(units_per_row=np.nan)
        else:
            scores = score_layer(features, responses, benchmark, benchmark.splits)
            density = features.units_per_row(benchmark.splits)
            table = summary(scores).assign(units_per_row=density)
        table = table.assign(reduction=features.reduction)
        if benchmark.layers != "nested":
            return LayerScores(table)
        if scores is not None and scores.inner_r is not None:
            return LayerScores(
                table, tuple(aggregate(scores.inner_r)["all", "all"].tolist()), scores
            )
        inside = (score_inside(features, parts) for parts in benchmark.inner_folds())
        return LayerScores(table, tuple(inside), scores)

    def summary(scores: Scores) -> pd.DataFrame:
        return summarise(scores, aggregate, benchmark.alphas, reasons)

    def score_inside(features: Features, splits: Sequence[Split]) -> float:
        """The overall r alone, by which nested choice compares layers."""
        if isinstance(benchmark.regression, Similarity):
            table = matrices.score(features.rows(splits[0].train), splits)
            return float(_overall(table)["r"].iloc[0])
        r = score_layer(features, responses, benchmark, splits).r
        return mean_of_defined(aggregate(r)["all", "all"])

    stack: Scores | None = None  # of each fold, the layer that its training rows choose so far
    for index, name in enumerate(names):
        found = finished.scores_of(name, partial(score, name)) if finished else score(name)
        table = found.table.assign(layer=name, layer_index=index)
        table["depth"] = index / max(len(names) - 1, 1)
        tables.append(table)
        if benchmark.layers == "nested":
            inner.append(found.inner)
            if found.scores is not None and stack is None:
                stack = found.scores
            elif found.scores is not None and stack is not None:
                for fold in np.flatnonzero(_best_layers(np.asarray(inner)) == index).tolist():
                    stack.take(fold, found.scores)
        _report(name, index, len(names), table)
    result = pd.concat(tables, ignore_index=True)
    _warn(result)
    result = result.assign(chosen=False, beyond="", **dict.fromkeys(OF_CHOSEN, np.nan))
    result["n_missed"] = 0
    if benchmark.layers == "nested":
        best = _best_layers(np.asarray(inner))
        nested = _nested(result, best)
        if stack is not None:  # the folds stacked, each from its chosen layer
            keys = ["subject", "region", "fold"]
            stacked = summary(stack).set_index(keys)["r_stacked"]
            nested["r_stacked"] = stacked.loc[pd.MultiIndex.from_frame(nested[keys])].to_numpy()
        result = pd.concat([result, nested], ignore_index=True)
    else:
        if isinstance(benchmark.layers, float):
            index = nearest_in_depth(names, benchmark.layers, benchmark.stack)
        else:
            index = _best_layer(result)
        best = np.full(len(benchmark.splits), index)
        result.loc[result["layer_index"] == best[0], "chosen"] = True
    if isinstance(benchmark.regression, Similarity) and benchmark.regression.permutations:
        chosen = _of_folds(layers, names, best)
        rows = {layer: layer.rows(benchmark.splits[0].train) for layer in dict.fromkeys(chosen)}
        drawn = matrices.null([rows[x] for x in chosen], benchmark.splits, benchmark.seed)
        _put_null(result, "r", ("r_null", "r_p"), drawn)
    if responses.missed:
        result["n_missed"] = _missed(result, responses, benchmark.splits)
    if nuisance is not None:
        _put_unique(result, nuisance, _of_folds(layers, names, best), aggregate)
    return result[list(COLUMNS)]


def _reasons(responses: Responses, benchmark: Benchmark) -> np.ndarray:
    """Why a target has no score in a fold, [fold, target]; '' where it should have one."""
    why = np.tile(responses.unmeasured.astype(object), (len(benchmark.splits), 1))
    if responses.missed:
        for part in responses.parts:
            columns = part.columns[responses.measured[part.columns]]
            for fold, split in enumerate(benchmark.splits):
                if benchmark.presented(split, part.missed) is None:
                    why[fold, columns] = "missed in the fold"
    return why


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


def _put_unique(
    result: pd.DataFrame, nuisance: Nuisance, chosen: Sequence[Features], aggregate: Aggregate
) -> None:
    """Unique variance of the layer `chosen` in each fold, in its rows of the table."""
    unique = {key: with_mean(values) for key, values in aggregate(nuisance.unique(chosen)).items()}
    rows = result["chosen"]
    places = result.loc[rows, ["subject", "region", "fold"]].itertuples(index=False)
    result.loc[rows, "unique_r2"] = [unique[who, where][fold + 1] for who, where, fold in places]
    result.loc[rows, "beyond"] = " ".join(nuisance.names)
    if nuisance.shifts:
        shifted = (aggregate(values)["all", "all"] for values in nuisance.null(chosen))
        drawn = np.array([mean_of_defined(values) for values in shifted])
        _put_null(result, "unique_r2", ("unique_null", "unique_p"), drawn)


def _put_null(result: pd.DataFrame, column: str, into: tuple[str, str], drawn: np.ndarray) -> None:
    """The mean of a null distribution, and the p of a value so large, beside the overall value.

    p counts the value itself among the draws (Phipson & Smyth 2010): it is never 0.
    """
    overall = _overall(result[result["chosen"]]).index[0]
    value = result.loc[overall, column]
    if not np.isnan(value) and not np.isnan(drawn).any():
        p = (1 + (drawn >= value).sum()) / (1 + drawn.size)
        result.loc[overall, list(into)] = drawn.mean(), p


def _of_folds(layers: Layers, names: Sequence[str], best: np.ndarray) -> list[Features]:
    """The features of the layer that is chosen in each fold; one object per layer."""
    wanted = [names[index] for index in best]
    read = dict(layers(list(dict.fromkeys(wanted))))
    return [read[name] for name in wanted]


def _report(name: str, index: int, n_layers: int, table: pd.DataFrame) -> None:
    r = _overall(table)["r"].iloc[0]
    LOG.info("layer %d/%d %s: r = %.4f", index + 1, n_layers, name, r)


def _warn(layers: pd.DataFrame) -> None:
    """Say once for all layers what of a table should be looked at."""
    whole = _overall(layers)
    undefined, n = whole["n_undefined"], len(whole)
    if undefined.any():
        LOG.warning("up to %d targets have no r in some fold", undefined.max())
    whole_layers = whole[whole["reduction"].str.startswith("none")]
    if len(whole_layers):
        why = whole_layers["reduction"].iloc[0].removeprefix("none: ")
        LOG.warning("%d of %d layers are not reduced: %s", len(whole_layers), n, why)
    edge = whole.loc[whole["alpha_at_edge"] > AT_EDGE, "alpha_at_edge"]
    if len(edge):
        LOG.warning(
            "alpha at an edge of the grid: in %d of %d layers for more than %.0f %% of the targets "
            "(at most %.0f %%); a wider grid (alphas: low, high) or relative: true may fit better",
            len(edge), n, 100 * AT_EDGE, 100 * edge.max(),
        )  # fmt: skip


def _overall(table: pd.DataFrame) -> pd.DataFrame:
    everything = (table["subject"] == "all") & (table["region"] == "all") & (table["fold"] == -1)
    return table[everything]


def _best_layer(table: pd.DataFrame) -> int:
    """The layer of the highest r (the first of equals)."""
    overall = _overall(table)
    r = overall["r"].to_numpy()
    return int(overall["layer_index"].to_numpy()[0 if np.isnan(r).all() else np.nanargmax(r)])


def nearest_in_depth(names: Sequence[str], depth: float, stack: str) -> int:
    """The layer nearest to a relative depth: 0 enters the first block, 1 is the last layer.

    `names`: all layers of a model in its order. Of an encoder-decoder model the layers `encoder.…`
    or `decoder.…` count alone, as `stack` says; its decoder has no layer at depth 0.
    """
    inside = [index for index, name in enumerate(names) if name.startswith(f"{stack}.")]
    places = np.arange(len(inside or names)) + int(stack == "decoder" and bool(inside))
    nearest = int(np.abs(places / max(places[-1], 1) - depth).argmin())
    return inside[nearest] if inside else nearest


def _best_layers(inner: np.ndarray) -> np.ndarray:
    """The layer of the highest r in each fold (the first of equals); `inner` is [layer, fold]."""
    return np.where(np.isnan(inner), -np.inf, inner).argmax(axis=0)


def _nested(table: pd.DataFrame, best: np.ndarray) -> pd.DataFrame:
    """Rows of the layer chosen in each fold by its training rows, `best` [fold]."""
    folds, whole = table[table["fold"] >= 0], table[table["fold"] == -1]
    # What has no r in some fold has none there in any layer.
    undefined = whole.groupby(["subject", "region"])[["n_undefined", "reason"]].first()
    chosen = folds[folds["layer_index"].to_numpy() == best[folds["fold"].to_numpy()]].copy()
    parts = [chosen]
    for (subject, region), group in chosen.groupby(["subject", "region"], sort=False):
        values = group["r"].to_numpy()
        row = group.iloc[0].to_dict() | {
            "subject": subject,
            "region": region,
            "fold": -1,
            "layer_index": int(np.median(best)),
            "depth": group["depth"].mean(),
            "r": mean_of_defined(values),
            "r_sd": spread_of_defined(values),
            "r2": mean_of_defined(group["r2"].to_numpy()),
            **undefined.loc[(subject, region)].to_dict(),
            "alpha": group["alpha"].median(),
            "alpha_at_edge": group["alpha_at_edge"].mean(),
            "units_per_row": group["units_per_row"].median(),
            "reduction": ", ".join(sorted(set(group["reduction"]))),
        }
        parts.append(pd.DataFrame([row]))
    nested = pd.concat(parts, ignore_index=True)
    nested["layer"] = "nested"
    nested["chosen"] = True
    return nested.sort_values(["subject", "region", "fold"], kind="stable")


def words_to_volumes(
    timing: Timing | None, stimuli: pd.DataFrame, dataset: xr.Dataset
) -> WordsToVolumes | None:
    """The map from stimuli to volumes of a timed dataset, None of an untimed one."""
    if timing is None:
        return None
    onsets = stimuli["onset"].to_numpy(dtype=float)
    if np.isnan(onsets).any():
        first = stimuli["stimulus_id"].iloc[int(np.flatnonzero(np.isnan(onsets))[0])]
        raise InputError(f"stimuli: {first} has no onset, but the responses are timed")
    volumes = dataset["onset"].values.astype(float)
    words = WordsToVolumes(
        timing, onsets, volumes, run_numbers(dataset), float(dataset.attrs["tr"])
    )
    outside = int((words.assigned < 0).sum())
    if outside:
        LOG.warning("%d of %d stimuli fall into no volume and are left out", outside, onsets.size)
    return words


def row_order(
    activations: ActivationFile,
    stimuli: pd.DataFrame,
    dataset: xr.Dataset,
    words: WordsToVolumes | None,
) -> np.ndarray:
    """Row numbers that bring an activation file into the order of the stimuli, or of the volumes.

    Rows per volume are named by the volume's number, from 0.

    Raises
    ------
    InputError : rows per volume for other responses, or activations of other stimuli.
    """
    ids = np.asarray(activations.stimulus_ids)
    if activations.metadata.get("rows") != "volume":
        wanted = stimuli["stimulus_id"].to_numpy().astype(str)
        if ids.size > wanted.size:
            LOG.warning(
                "%s: %d of its %d rows are of no stimulus of the dataset, and are left out",
                activations.path, ids.size - wanted.size, ids.size,
            )  # fmt: skip
        return ordered_like(ids, wanted, str(activations.path))
    n_volumes = dataset["responses"].shape[0]
    if words is None or ids.size != n_volumes:
        raise InputError(
            f"{activations.path}: {ids.size} rows, one per volume, for responses of "
            f"{n_volumes} {dataset['responses'].dims[0]} rows"
        )
    return ordered_like(ids, np.arange(n_volumes).astype(str), str(activations.path))


def align(
    activations: ActivationFile,
    stimuli: pd.DataFrame,
    dataset: xr.Dataset,
    scoring: Scoring,
    device: str,
    seed: int,
    nuisance: Mapping[str, ActivationFile] | None = None,
    finished: FinishedLayers | None = None,
) -> pd.DataFrame:
    """Score all layers of an activation file under the settings of a benchmark.

    Parameters
    ----------
    nuisance : name → features beyond which the chosen layer's unique variance is computed.
    finished : as of `score_model`.

    Raises
    ------
    InputError : activations of other stimuli, NaN or Inf in a layer, or settings that do not suit
        the data.
    """
    timing = scoring.timing
    responses = gather_responses(dataset, timing, device)
    benchmark = read_benchmark(scoring, stimuli, dataset, seed)
    words = words_to_volumes(timing, stimuli, dataset)

    def ordered(file: ActivationFile) -> np.ndarray:
        return row_order(file, stimuli, dataset, words)

    def layers(
        file: ActivationFile,
        order: np.ndarray,
        reduce: Reduction | None,
        names: Sequence[str],
    ) -> Iterator[tuple[str, Features]]:
        ids = np.asarray(file.stimulus_ids)
        for name in names:
            values = file.layer(name)
            check_finite(values, ids, f"{file.path}: layer {name}")
            yield (
                name,
                Features(
                    values[order],
                    words,
                    per_volume=file.metadata.get("rows") == "volume",
                    reduce=reduce,
                    intercept=benchmark.intercept,
                    device=device,
                    seed=seed,
                ),
            )

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
    LOG.info(
        "%d layers, %d rows, %d targets, %d folds on %s",
        len(activations.layers), responses.n_rows, responses.measured.size,
        len(benchmark.splits), device,
    )  # fmt: skip
    beyond = None
    asked = scoring.unique_variance
    if nuisance and asked is not None:
        kinds = {name: file.metadata.get("baseline", "") for name, file in nuisance.items()}
        empty = held_out_autocorrelation(kinds, benchmark.scheme)
        if empty:
            LOG.info("%s: left out of beyond, for groups are held out", ", ".join(empty))
        # Whole, whatever is left of a layer: what they explain is not the layer's own.
        spaces = {
            name: _only_layer(layers(file, ordered(file), None, file.layers), name)
            for name, file in nuisance.items()
            if name not in empty
        }
        beyond = Nuisance(
            spaces,
            responses,
            benchmark,
            asked.candidates,
            asked.shifts,
        )
        LOG.info("unique variance beyond %s", ", ".join(spaces))
    own = partial(layers, activations, ordered(activations), benchmark.reduce)
    return score_model(own, activations.layers, responses, benchmark, beyond, finished)


def _only_layer(layers: Iterator[tuple[str, Features]], name: str) -> Features:
    found = [features for _, features in layers]
    if len(found) != 1:
        raise InputError(f"unique_variance.beyond: {name} has {len(found)} layers, expected one")
    return found[0]
