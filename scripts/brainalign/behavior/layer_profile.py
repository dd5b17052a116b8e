"""What each layer of a model predicts of reading times, beyond the covariates: a depth profile."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.behavior.added import LEAST_PARTS, NO_PENALTY, PENALTIES, HeldOut, Stories
from brainalign.behavior.reading_times import (
    MINIMUM_WORDS,
    base_regressors,
    dropped,
    on_scale,
    standardised,
    with_words_before,
    word_table,
)
from brainalign.behavior.settings import ControlledFit
from brainalign.behavior.terms import independent
from brainalign.encoding.features import check_finite, ordered_like
from brainalign.formats.activations import ActivationFile
from brainalign.intervals import correlation, jackknife, paired_sums
from brainalign.notes import not_computable

NESTED = "nested"
COLUMNS = (
    "predictor", "layer", "layer_index", "depth", "n_features", "delta_r2", "low", "high",
    "interval", "p", "r", "delta_loglik_per_word", "mean_bits", "penalty", "n", "n_dropped",
    "reason", "note", "chosen",
)  # fmt: skip

Row = dict[str, Any]


def surprisal_profile(
    bits: pd.DataFrame, stimuli: pd.DataFrame, responses: xr.Dataset, settings: ControlledFit
) -> pd.DataFrame:
    """The profile of surprisal by the logit lens.

    Features of a word are its bits and those of the `spillover` words before it, as in
    `reading_times`; the fit is least squares. The last layer's gain in log-likelihood is that of
    the model's surprisal there.

    Parameters
    ----------
    bits : `stimulus_id`, and a column of bits per layer, in the order of layers.
    stimuli, responses : prepared reading times; `responses` [stimulus, target] in ms.

    Returns
    -------
    A row per layer, COLUMNS, and the row `nested` of layers that inner folds choose.

    Raises
    ------
    InputError : as `reading_times.word_table` and `reading_times.on_scale`.
    """
    layers = [str(name) for name in bits if name != "stimulus_id"]
    surprisal = bits[["stimulus_id"]].assign(bits=bits[layers[-1]])
    words = word_table(
        surprisal, stimuli, on_scale(responses, settings.times), settings.covariates,
        settings.skip_sentence_initial,
    )  # fmt: skip

    def of_words(values: pd.Series) -> pd.DataFrame:
        return with_words_before(values.to_frame("bits"), words["story"], settings.spillover)

    known = of_words(words["bits"]).notna().all(axis=1).to_numpy()

    def features(layer: str) -> np.ndarray:
        return of_words(bits[layer]).to_numpy()

    table = _profile(layers, features, words, known, settings, NO_PENALTY)
    means = bits[layers].mean()
    return table.assign(predictor="surprisal", mean_bits=table["layer"].map(means))


def states_profile(
    activations: ActivationFile,
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    settings: ControlledFit,
) -> pd.DataFrame:
    """The profile of the states of every layer, by ridge whose penalty inner folds choose.

    Features of a word are its pooled states, [word, unit]; context is in them.

    Parameters
    ----------
    stimuli, responses : prepared reading times; `responses` [stimulus, target] in ms.

    Returns
    -------
    As of `surprisal_profile`.

    Raises
    ------
    InputError : activations of other stimuli; NaN or Inf in a layer; as `surprisal_profile`.
    """
    words = word_table(
        None, stimuli, on_scale(responses, settings.times), settings.covariates,
        settings.skip_sentence_initial,
    )  # fmt: skip
    ids, wanted = np.asarray(activations.stimulus_ids), stimuli["stimulus_id"].to_numpy(str)
    rows = ordered_like(ids, wanted, str(activations.path))

    def features(layer: str) -> np.ndarray:
        values = activations.layer(layer)[rows]
        check_finite(values, wanted, f"{activations.path}: layer {layer}")
        return values

    known = np.ones(len(words), bool)
    table = _profile(activations.layers, features, words, known, settings, PENALTIES)
    return table.assign(predictor="states")


def _profile(
    layers: Sequence[str],
    features: Callable[[str], np.ndarray],
    words: pd.DataFrame,
    known: np.ndarray,
    settings: ControlledFit,
    penalties: Sequence[float],
) -> pd.DataFrame:
    """A row per layer and the row `nested`.

    Parameters
    ----------
    features : of a layer, [word, feature]. known : bool [word], words that have them.
    """
    base = base_regressors(words, settings.covariates, settings.spillover)
    usable = words["scored"].to_numpy() & known & base.notna().all(axis=1).to_numpy()
    n_dropped, reason = dropped(words, usable)
    common = {"n": int(usable.sum()), "n_dropped": n_dropped, "reason": reason}
    covariates = standardised(base.loc[usable, independent(base[usable])].to_numpy())
    times, story = (words.loc[usable, name].to_numpy() for name in ("rt", "story"))
    note = ""
    if len(set(story)) < LEAST_PARTS:
        note = not_computable(f"{len(set(story))} stories, {LEAST_PARTS} are needed")
    elif usable.sum() < covariates.shape[1] + MINIMUM_WORDS:
        note = not_computable(f"{usable.sum()} words for {covariates.shape[1]} covariates")
    stories = Stories(covariates, times, story)
    rows: list[Row] = []
    every: list[HeldOut] = []
    for index, layer in enumerate(layers):
        row = {"layer": layer, "layer_index": index, "depth": index / max(len(layers) - 1, 1)}
        if note:
            rows.append({**row, **common, "note": note})
            continue
        values = features(layer)[usable]
        held = stories.predict(values, penalties)
        row["n_features"] = values.shape[1]
        if held is None:
            rows.append({**row, **common, "note": not_computable("the covariates determine it")})
            continue
        every.append(held)
        rows.append({**row, **common, **_scores(held, times, story)})
    if len(every) > 1:
        chosen = _of_best(every, stories.part)
        rows.append({"layer": NESTED, **common, **_scores(chosen, times, story)})
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table["chosen"] = (table["layer"] == NESTED) | (len(layers) == 1)
    table["interval"] = table["interval"].fillna("none")
    return table.fillna({"note": ""})


def _scores(held: HeldOut, times: np.ndarray, story: np.ndarray) -> Row:
    """What features add in held-out stories, its interval over stories, and p of no gain.

    p is one-sided: features that say nothing lower the held-out fit, and no claim rests on that.
    """
    _, index = np.unique(story, return_inverse=True)
    squares = (held.base_error**2, held.error**2, (times - times.mean()) ** 2)
    sums = np.column_stack([np.bincount(index, terms) for terms in squares])

    def delta_r2(sums: np.ndarray) -> np.ndarray:
        return np.asarray((sums[:, 0] - sums[:, 1]) / sums[:, 2])

    value = float(delta_r2(sums.sum(0)[None])[0])
    gain = jackknife(sums, delta_r2)
    pairs = paired_sums(held.added(), held.base_error, story)
    return {
        "delta_r2": value,
        "low": gain.low,
        "high": gain.high,
        "interval": "stories",
        "p": gain.p / 2 if value > 0 else 1 - gain.p / 2,
        "r": float(correlation(pairs.sum(0)[None])[0]),
        "delta_loglik_per_word": float(held.loglik_gain().mean()),
        "penalty": float(np.median(held.penalty)),
    }


def _of_best(layers: Sequence[HeldOut], part: np.ndarray) -> HeldOut:
    """Each part predicted by the layer that its inner folds choose."""
    best = np.argmin([layer.loss for layer in layers], axis=0)

    def taken(name: str, choice: np.ndarray) -> np.ndarray:
        values = np.array([getattr(layer, name) for layer in layers])
        return np.asarray(values[choice, np.arange(choice.size)])

    of_words = ("error", "base_error", "variance", "base_variance")
    return HeldOut(
        **{name: taken(name, best[part]) for name in of_words},
        **{name: taken(name, best) for name in ("loss", "penalty")},
    )
