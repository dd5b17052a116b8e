"""How well a model's surprisal predicts reading times: the paper's score, controlled ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.behavior.fits import ABS_R, GAIN, GAIN_PER_OBSERVATION, PARTIAL_R, READ_LOSS, R
from brainalign.behavior.gains import gain_rows, units
from brainalign.behavior.held_out import held_out_loglik
from brainalign.behavior.random_intercept import cross_validated_gain
from brainalign.behavior.readers import of_mean_observation, of_mean_times
from brainalign.behavior.reliability import Ceiling, reliability, residual
from brainalign.behavior.settings import ControlledFit, LegacyFit, MixedModel
from brainalign.behavior.single_times import mixed_model_rows
from brainalign.behavior.terms import ROUNDING, columns_of, spills_over, values_of
from brainalign.datasets.reading_times import at_lags
from brainalign.errors import InputError
from brainalign.intervals import correlation, jackknife, paired_sums, slope
from brainalign.notes import not_computable

MINIMUM_WORDS = 10
UNITS = {"raw": "ms", "log": "log_ms"}
COLUMNS = (
    "measure", "kind", "group", "value", "low", "high", "interval", "n", "n_dropped", "reason",
    "ceiling", "ceiling_method", "note",
)  # fmt: skip

Row = dict[str, Any]


def fit_reading_times(
    surprisal: pd.DataFrame,
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    settings: LegacyFit | ControlledFit,
    seed: int = 0,
) -> pd.DataFrame:
    """Every measure of the fit of surprisal to reading times, a row each.

    Parameters
    ----------
    surprisal : `stimulus_id`, `bits` (NaN where undefined); a row per word of `stimuli`.
    stimuli : the stimuli table; `context_group` is the story.
    responses : `responses` [stimulus, target] in ms, a target per reader or the one target `mean`.
        With means, optional variables `sd` (ms) and `n` (readers) give a bound of the ceiling,
        `log_mean` and `log_sd` the same of log times.
    settings : of mode legacy: r, |r| of surprisal with the mean over readers (Aw et al. 2024;
        Brain-Score Futrell2018). Of mode controlled: in addition r with covariates held fixed,
        slopes of the word and of the words before, and the gain in held-out log-likelihood. A
        normal likelihood of log times is a log-normal one of times; gains between models of one
        scale are in nats on either.
    seed : of the halvings where the ceiling names none.

    Returns
    -------
    Columns `measure`, `kind` (`all`, `story`, `reader` or `lag`), `group`, `value`, `low`, `high`
    (95 %), `interval` (over what units), `n` (words, or observations), `n_dropped` (words left out:
    undefined, unread, sentence-initial; of regressions also those without a covariate or without
    neighbours), `reason` (of these, counted), `ceiling`, `ceiling_method`, `note`.

    Raises
    ------
    InputError : the tables do not belong together, a covariate is missing, a time has no logarithm,
        or fewer than 10 words can be scored.
    """
    controlled = settings if isinstance(settings, ControlledFit) else None
    if controlled is not None:
        responses = on_scale(responses, controlled.times)
    covariates = list(controlled.covariates) if controlled is not None else []
    words = word_table(surprisal, stimuli, responses, covariates, settings.skip_sentence_initial)
    scored = words["scored"].to_numpy()
    if scored.sum() < MINIMUM_WORDS:
        raise InputError(
            f"{int(scored.sum())} words have both a surprisal and a reading time, at least "
            f"{MINIMUM_WORDS} are needed"
        )
    # Brain-Score's ceiling is a reliability and includes sentence-initial words. The largest
    # correlation that a perfect predictor can reach is its square root.
    counting = None if controlled is None else scored
    limit = reliability(responses, counting, settings.ceiling, seed)
    if controlled is not None:
        limit = limit.root()
    rows = [
        *_correlations(words, responses, limit, legacy=controlled is None),
        *_readers(words, responses),
        *_lags(words),
    ]
    if controlled is not None:
        rows += _controlled(words, responses, controlled, seed)
        if controlled.mixed_model is not None:
            rows += _mixed(words, stimuli, responses, controlled, controlled.mixed_model)
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table["interval"] = table["interval"].fillna("none")
    table[["note", "ceiling_method"]] = table[["note", "ceiling_method"]].fillna("")
    n_dropped, reason = dropped(words, scored)
    table["n_dropped"] = table["n_dropped"].fillna(n_dropped).astype(int)
    table["reason"] = table["reason"].fillna(reason)
    return table


def on_scale(responses: xr.Dataset, times: str) -> xr.Dataset:
    """`responses` [stimulus, target] (and their `sd`) in ms (`raw`) or in natural logarithms of ms
    (`log`).

    Raises
    ------
    InputError : a time of 0 or less; means without `log_mean`, for the logarithm of a mean is not
        the mean of logarithms.
    """
    if times == "raw":
        return responses
    if "log_mean" in responses:
        changed = {"responses": responses["log_mean"], "sd": responses["log_sd"]}
        return responses.assign(changed)
    if responses["target_id"].values.tolist() == ["mean"]:
        raise InputError(
            "times log: the responses are mean times without the variables log_mean and log_sd; "
            "use times raw, or each reader's times"
        )
    values = responses["responses"].values.astype(float)
    if (values <= 0).any():
        word, reader = np.argwhere(values <= 0)[0]
        raise InputError(
            f"times log: stimulus {responses['stimulus_id'].values[word]}, reader "
            f"{responses['target_id'].values[reader]}: {values[word, reader]} ms has no logarithm"
        )
    return responses.assign(responses=(("stimulus", "target"), np.log(values)))


def word_table(
    surprisal: pd.DataFrame | None,
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    covariates: Sequence[str],
    skip_sentence_initial: bool,
) -> pd.DataFrame:
    """One row per word.

    Parameters
    ----------
    surprisal : `stimulus_id`, `bits`; a row per word of `stimuli`.
    stimuli, responses : prepared reading times; `responses` [stimulus, target].
    covariates : terms (`terms.columns_of`).

    Returns
    -------
    `story`, `bits` (unless `surprisal` is None), `rt` (mean over readers), columns of terms,
    `initial` (of its sentence, where these are skipped), `scored`.

    Raises
    ------
    InputError : the responses are no reading times, or not of these stimuli; a covariate is
        missing.
    """
    if responses.attrs["kind"] != "reading-times":
        raise InputError(f"responses of kind {responses.attrs['kind']!r} are no reading-times")
    if surprisal is not None and list(surprisal["stimulus_id"]) != list(stimuli["stimulus_id"]):
        raise InputError(
            f"surprisal has {len(surprisal)} words and stimuli {len(stimuli)}; their stimulus_id "
            "must be the same, in the same order"
        )
    columns = list(dict.fromkeys(name for term in covariates for name in columns_of(term)))
    needed = [*columns, *(["word_in_sentence"] if skip_sentence_initial else [])]
    missing = [name for name in needed if name not in stimuli or stimuli[name].isna().all()]
    if missing:
        raise InputError(
            f"stimuli have no column {missing[0]}; they have {', '.join(stimuli.columns)}"
        )
    for name in columns:
        text = pd.to_numeric(stimuli[name], errors="coerce").isna() & stimuli[name].notna()
        if text.any():
            row = stimuli[text].iloc[0]
            raise InputError(
                f"stimulus {row['stimulus_id']}: {name} is {row[name]!r}, expected a number: it is "
                "a covariate"
            )
    times = responses["responses"].values.astype(float)
    read = ~np.isnan(times)
    with np.errstate(invalid="ignore"):
        mean = np.where(read, times, 0).sum(1) / np.where(read.any(1), read.sum(1), np.nan)
    words = stimuli[columns].astype(float)
    words.insert(0, "story", stimuli["context_group"].astype(str))
    words["rt"] = mean
    words["initial"] = False
    if skip_sentence_initial:
        words["initial"] = stimuli["word_in_sentence"].to_numpy() == 1
    words["scored"] = words["rt"].notna() & ~words["initial"]
    if surprisal is not None:
        words.insert(1, "bits", surprisal["bits"].to_numpy(float))
        words["scored"] &= words["bits"].notna()
    return words.reset_index(drop=True)


def dropped(words: pd.DataFrame, used: np.ndarray) -> tuple[int, str]:
    """How many words are not `used`, bool [word], and why: each under the first reason that
    holds."""
    table_columns = ["story", "bits", "rt", "initial", "scored"]
    reasons = {
        "sentence-initial": words["initial"],
        "unread": words["rt"].isna(),
        **({"without surprisal": words["bits"].isna()} if "bits" in words else {}),
        **{
            f"without {name}": words[name].isna()
            for name in words.columns
            if name not in table_columns
        },
        "without values of their neighbours": pd.Series(True, words.index),
    }
    left, counts = ~used, []
    for why, holds in reasons.items():
        number = int((left & holds.to_numpy()).sum())
        counts += [f"{number} {why}"] * (number > 0)
        left = left & ~holds.to_numpy()
    return int((~used).sum()), ", ".join(counts)


def _correlations(
    words: pd.DataFrame, responses: xr.Dataset, limit: Ceiling, legacy: bool
) -> Iterator[Row]:
    scored = words[words["scored"]]
    bits, times, story = (scored[name].to_numpy() for name in ("bits", "rt", "story"))
    single = responses["responses"].values[words["scored"].to_numpy()].astype(float)
    overall = _with_interval(correlation, bits, times, story, single)
    ceiling = {"ceiling": limit.value, "ceiling_method": limit.method, "note": limit.note}
    yield {"measure": R, "kind": "all", "group": "all", **overall, **ceiling}
    if legacy:
        # The interval of r mirrored, not of |r|: around 0 the latter would exclude 0.
        sign = -1 if overall["value"] < 0 else 1
        low, high = sorted((sign * overall["low"], sign * overall["high"]))
        absolute = {**overall, "value": abs(overall["value"]), "low": low, "high": high}
        yield {"measure": ABS_R, "kind": "all", "group": "all", **absolute, **ceiling}
    defined = words["bits"].notna().to_numpy()
    without = int((~defined).sum())
    yield {
        "measure": READ_LOSS, "kind": "all", "group": "all",
        "value": words.loc[defined, "bits"].mean(), "n": int(defined.sum()), "n_dropped": without,
        "reason": f"{without} without surprisal" if without else "",
    }  # fmt: skip
    for name, part in scored.groupby("story", sort=False):
        r = _r(part["bits"].to_numpy(), part["rt"].to_numpy())
        yield {"measure": R, "kind": "story", "group": name, "value": r, "n": len(part)}


def _readers(words: pd.DataFrame, responses: xr.Dataset) -> Iterator[Row]:
    times = responses["responses"].values.astype(float)
    if times.shape[1] < 2:
        return
    bits, scored = words["bits"].to_numpy(), words["scored"].to_numpy()
    for column, reader in enumerate(responses["target_id"].values.astype(str)):
        read = scored & ~np.isnan(times[:, column])
        value = _r(bits[read], times[read, column])
        yield {
            "measure": R,
            "kind": "reader",
            "group": reader,
            "value": value,
            "n": int(read.sum()),
        }


def _lags(words: pd.DataFrame) -> Iterator[Row]:
    """r of a word's surprisal with the reading time of the word `group` words earlier.

    The peak shows whether words and times are aligned (off by one, it moves).
    """
    bits = words["bits"].where(words["scored"])
    columns = (column.to_numpy() for column in (bits, words["rt"], words["story"]))
    for lag, x, y in at_lags(*columns):
        yield {"measure": R, "kind": "lag", "group": str(lag), "value": _r(x, y), "n": len(x)}


def _controlled(
    words: pd.DataFrame,
    responses: xr.Dataset,
    settings: ControlledFit,
    seed: int,
) -> Iterator[Row]:
    design, base, surprisals = regressors(words, settings.covariates, settings.spillover)
    usable = words["scored"].to_numpy() & design.notna().all(axis=1).to_numpy()
    x = standardised(design[usable].to_numpy())
    times, story = words.loc[usable, "rt"].to_numpy(), words.loc[usable, "story"].to_numpy()
    single = responses["responses"].values[usable].astype(float)
    columns = {name: i for i, name in enumerate(design.columns)}
    left_out = dict(zip(("n_dropped", "reason"), dropped(words, usable), strict=True))
    common = {"kind": "all", "group": "all", **left_out}
    if usable.sum() < len(columns) + MINIMUM_WORDS:
        note = not_computable(f"{usable.sum()} words for {len(columns)} regressors")
        yield {**common, "measure": PARTIAL_R, "value": np.nan, "note": note}
        return

    scale = design[usable].std(ddof=0)
    for name in surprisals:
        others = np.delete(x, columns[name], axis=1)
        rest = residual(np.column_stack([x[:, columns[name]], times]), others)
        determined = np.linalg.norm(rest[:, 0]) < ROUNDING * np.sqrt(len(x))
        measure = name.replace("bits", f"slope_{UNITS[settings.times]}_per_bit")
        if determined:
            note = not_computable("the covariates determine this regressor")
            for undefined in (PARTIAL_R,) * (name == "bits") + (measure,):
                yield {**common, "measure": undefined, "value": np.nan, "note": note}
            continue
        if name == "bits":
            limit = reliability(responses, usable, settings.ceiling, seed, others).root()
            yield {
                **common, "measure": PARTIAL_R,
                **_with_interval(correlation, rest[:, 0], rest[:, 1], story, single),
                "ceiling": limit.value, "ceiling_method": limit.method, "note": limit.note,
            }  # fmt: skip
        steepness = _with_interval(slope, rest[:, 0], rest[:, 1], story, single)
        for end in ("value", "low", "high"):
            steepness[end] /= scale[name]
        yield {**common, "measure": measure, **steepness}

    full = np.column_stack([np.ones(len(x)), x])
    null = full[:, [0, *(1 + columns[name] for name in base)]]
    if len(set(story)) < 2:
        note = not_computable("one story, cross-validation needs two")
        for measure in (GAIN, GAIN_PER_OBSERVATION):
            yield {**common, "measure": measure, "value": np.nan, "note": note}
        return
    (gain, by_times), (less, less_by_times) = (
        held_out_loglik(x, times, story) for x in (full, null)
    )
    readers = of_mean_times((by_times - less_by_times) / len(times), single, story)
    for row in gain_rows(GAIN, gain - less, story, readers=readers):
        yield {**row, **left_out}
    if single.shape[1] > 1:
        per_time = cross_validated_gain(full, null, single, story)
        counts = (~np.isnan(per_time)).sum(1).astype(float)
        readers = of_mean_observation(per_time, story)
        sums = np.nansum(per_time, axis=1)
        for row in gain_rows(GAIN_PER_OBSERVATION, sums, story, counts, readers):
            yield {**row, **left_out}


def _mixed(
    words: pd.DataFrame,
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    settings: ControlledFit,
    mixed: MixedModel,
) -> Iterator[Row]:
    design, base, _ = regressors(words, settings.covariates, settings.spillover)
    usable = words["scored"].to_numpy() & design.notna().all(axis=1).to_numpy()
    left_out = dict(zip(("n_dropped", "reason"), dropped(words, usable), strict=True))
    items = {"word": stimuli["stimulus_id"]}
    if mixed.items == "sentence":
        if "sentence_id" not in stimuli:
            raise InputError("mixed_model.items: sentence, but the stimuli have no sentence_id")
        items["sentence"] = (
            stimuli["context_group"].astype(str) + ":" + stimuli["sentence_id"].astype(str)
        )
    chosen = {name: labels.to_numpy()[usable] for name, labels in items.items()}
    times = responses["responses"].values[usable].astype(float)
    unit = UNITS[settings.times]
    story = words.loc[usable, "story"].to_numpy()
    for row in mixed_model_rows(design[usable], base, times, chosen, story, mixed, unit):
        yield {**row, **left_out}


def regressors(
    words: pd.DataFrame, covariates: Sequence[str], spillover: int
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The regressors of every word, and the names of the base model's and of the surprisal ones.

    The base model holds the covariates of the word and those that spill over of the `spillover`
    words before it; the full model adds the surprisals of the same words. Values before a story's
    first word are NaN, as are those of the word after its last.
    """
    known = base_regressors(words, covariates, spillover)
    surprisals = with_words_before(words[["bits"]], words["story"], spillover)
    return (
        pd.concat([known, surprisals], axis=1),
        known.columns.tolist(),
        surprisals.columns.tolist(),
    )


def base_regressors(words: pd.DataFrame, covariates: Sequence[str], spillover: int) -> pd.DataFrame:
    """The regressors of the base model, as of `regressors`."""
    base = []
    for term in covariates:
        values = values_of(term, words)
        by = spillover if spills_over(term) else 0
        base.append(with_words_before(values, words["story"], by))
    return pd.concat(base, axis=1) if base else words[[]]


def with_words_before(values: pd.DataFrame, story: pd.Series, spillover: int) -> pd.DataFrame:
    """Values of every word, and of the `spillover` words before it in its story."""
    before = (
        values.groupby(story.to_numpy(), sort=False).shift(by).add_suffix(f"_{by}_back")
        for by in range(1, spillover + 1)
    )
    return pd.concat([values, *before], axis=1)


def _with_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    story: np.ndarray,
    single: np.ndarray,
) -> Row:
    """r or slope of y [word] on x with its 95 % interval over stories, and over readers where
    `single` [word, reader] has their times (of which y is the mean, or what is left of it)."""
    sums = paired_sums(x, y, story)
    value = float(statistic(sums.sum(0)[None])[0])
    of_r = statistic is correlation
    gradient = _by_y(x, y, value if of_r else None)
    readers = of_mean_times(gradient, single, story)
    result = jackknife(sums, statistic, bounded=of_r, crossed=readers)
    interval = "none" if np.isnan(result.low) else units(readers)
    return {
        "value": value,
        "low": result.low,
        "high": result.high,
        "interval": interval,
        "n": len(x),
    }


def _by_y(x: np.ndarray, y: np.ndarray, r: float | None) -> np.ndarray:
    """Derivatives [word] of r of x and y, or (None) of the slope on x, by each y."""
    x, y = x - x.mean(), y - y.mean()
    length = np.linalg.norm(y)
    with np.errstate(invalid="ignore", divide="ignore"):
        if r is None:
            return np.asarray(x / (x @ x))
        return np.asarray((x / np.linalg.norm(x) - r * y / length) / length)


def standardised(x: np.ndarray) -> np.ndarray:
    """Columns of `x` [row, column] with mean 0 and standard deviation 1, constant ones with 0;
    float64."""
    centred = x - x.mean(0)
    spread = centred.std(0)
    return centred / np.where(spread > 0, spread, 1)


def _r(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < MINIMUM_WORDS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])
