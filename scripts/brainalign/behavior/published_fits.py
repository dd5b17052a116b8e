"""Fits to reading times that came with published surprisal, made again as their authors made them.

Kuribayashi et al. 2024: least squares on mean times. Michaelov et al. 2024: a mixed model of Maze
times. Neither is how this project fits reading times (docs/methods/reading-times.md).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.behavior.fits import GAIN, READ_LOSS
from brainalign.behavior.mixed_model import crossed_sums, fit
from brainalign.datasets import kuribayashi2024, michaelov2024
from brainalign.datasets.natural_stories_maze import TIMES
from brainalign.datasets.published_surprisal import same_words
from brainalign.datasets.raw import Record, by_name
from brainalign.datasets.surprisal_settings import Kuribayashi2024, Michaelov2024
from brainalign.errors import InputError

COLUMNS = ("statistic", "published", "recomputed", "in_place", "n")
OUTLYING = 3.0  # standard deviations of mean times: words beyond are left out
BACK = (1, 2)  # previous words that are regressors

Stories = Mapping[str, list[list[float]]]
Order = Callable[[str], Any]


def published_fit(
    source: Kuribayashi2024 | Michaelov2024,
    surprisal: Sequence[Record],
    times: Sequence[Record],
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
) -> pd.DataFrame:
    """The fit of a model as a release states it, and the same computed here.

    Parameters
    ----------
    source : of the model.
    surprisal : the model's raw files, the published fit among them.
    times : the raw files of the dataset that was fitted.
    stimuli, responses : the same dataset, prepared; `responses` [stimulus, target] in ms.

    Returns
    -------
    COLUMNS, a row per `statistic`; `in_place` (where it differs from `recomputed`, else NaN): with
    the surprisal of previous words taken from the words before, which the authors did not do.

    Raises
    ------
    InputError : the files do not belong together, or one says no such number.
    """
    if isinstance(source, Michaelov2024):
        return _maze_fit(source, surprisal, by_name(times)[TIMES])
    return _mean_time_fit(surprisal, stimuli, responses)


def _mean_time_fit(
    records: Sequence[Record], stimuli: pd.DataFrame, responses: xr.Dataset
) -> pd.DataFrame:
    """Least squares of mean times, inside sentences, in sample (Kuribayashi et al. 2024).

    Regressors are the surprisal of the word and of two before it, and length and log frequency of
    the same words. The authors' frequencies are not published: those of `stimuli` stand in.
    """
    published = kuribayashi2024.published_fit(records)
    words, nats = kuribayashi2024.stories(records)
    sentences = [sentence for story in words.values() for sentence in story]
    same_words([word for sentence in sentences for word in sentence], stimuli, "tokens.json")
    index = np.concatenate([np.arange(len(sentence)) for sentence in sentences])
    last = np.concatenate([np.arange(len(sentence)) == len(sentence) - 1 for sentence in sentences])
    time = np.nanmean(responses["responses"].values.astype(float), axis=1)
    used = (np.abs(time - time.mean()) <= OUTLYING * time.std()) & (index > 0) & ~last
    current = _joined(nats, 0, int)
    columns = [stimuli[name].to_numpy(float) for name in ("length", "log_frequency")]
    words_before = [_before(values, index, by) for values in columns for by in (0, *BACK)]
    result = {}
    # The authors join the surprisal of previous words in the order of story numbers as text.
    for join, order in (("recomputed", str), ("in_place", int)):
        before = [_joined(nats, by, order) for by in BACK]
        null = np.column_stack([np.ones(len(time)), *before, *words_before])[used]
        full = np.column_stack([null, current[used]])
        loglik, weights = _least_squares(full, time[used])
        gain = (loglik - _least_squares(null, time[used])[0]) / used.sum()
        result[join] = {GAIN: gain, "slope_1_back": weights[1]}
    alike = {"words": used.sum(), READ_LOSS: current[used].mean() / np.log(2)}
    rows = [
        {
            "statistic": name, "published": value,
            "recomputed": {**alike, **result["recomputed"]}[name],
            "in_place": result["in_place"].get(name, np.nan), "n": int(used.sum()),
        }
        for name, value in published.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _maze_fit(source: Michaelov2024, surprisal: Sequence[Record], record: Record) -> pd.DataFrame:
    """AIC of the mixed model of log times whose formula Michaelov et al. 2024 published.

    scale(log(rt)) ~ scale(Surprisal) + scale(wlen) + scale(unigramsurp) + scale(sentpos)
    + (1 + scale(Surprisal) + scale(wlen) + scale(sentpos) || subject) + (1 | docid:sentid)
    """
    published = michaelov2024.published_fit(surprisal, source)
    word = ["docid", "sentid", "sentpos"]
    times = michaelov2024.numbers(record, ["rt", "wlen", "unigramsurp", "subject", *word])
    values = michaelov2024.numbers(michaelov2024.output_record(surprisal), [*word, "Surprisal"])
    table = times.merge(values, on=word)
    if len(table) != len(times):
        raise InputError(
            f"{record.path}: {len(times) - len(table)} times are of words without surprisal"
        )
    fixed = [_scaled(table[name]) for name in ("Surprisal", "wlen", "unigramsurp", "sentpos")]
    x = np.column_stack([np.ones(len(table)), *fixed])
    sentence = table["docid"] + ":" + table["sentid"].astype(str)
    sums = crossed_sums(
        x, _scaled(np.log(table["rt"])), x[:, [0, 1, 2, 4]], table["subject"].to_numpy(),
        sentence.to_numpy(),
    )  # fmt: skip
    row = {"statistic": "aic", "published": published["aic"], "recomputed": fit(sums).aic}
    return pd.DataFrame([{**row, "in_place": np.nan, "n": len(table)}], columns=list(COLUMNS))


def _joined(stories: Stories, by: int, order: Order) -> np.ndarray:
    """The value of each word, or of the word `by` before it in its sentence, stories in an order.

    Where no such word is, the mean of all.
    """
    mean = np.mean([value for story in stories.values() for part in story for value in part])
    parts = [part for name in sorted(stories, key=order) for part in stories[name]]
    return np.array([value for part in parts for value in ([mean] * by + part)[: len(part)]])


def _before(values: np.ndarray, index: np.ndarray, by: int) -> np.ndarray:
    """The value `by` words before in the sentence; the mean of all where there is none."""
    return np.where(index >= by, np.roll(values, by), values.mean())


def _least_squares(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Maximum log-likelihood (nats) and weights."""
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    error = y - x @ weights
    return -0.5 * len(y) * (np.log(2 * np.pi * (error @ error) / len(y)) + 1), weights


def _scaled(values: pd.Series) -> np.ndarray:
    """As R's scale(): centred, divided by the standard deviation of a sample."""
    return ((values - values.mean()) / values.std(ddof=1)).to_numpy(float)
