"""Ceilings by Spearman's correction for attenuation: how far predictions from others agree.

Let a response be y = s + e, s what the subjects share of it, and c = r(s, y) the ceiling. A
prediction p of y from other subjects' responses falls short of s, for their noise and for the noise
of the rows that its weights were fitted to: r(p, y) = c ρ with ρ = r(p, s). A second prediction p',
from other subjects than p and fitted to other rows, has noise of its own, so that r(p, p') = ρ ρ'.
Hence c = r(p, y) / √r(p, p') (Spearman 1904, American Journal of Psychology 15, p. 89 f.).
"""

import logging
import math
from functools import partial
from typing import NamedTuple

import numpy as np

from brainalign.encoding.benchmark import RegressionBenchmark
from brainalign.encoding.correlation import pearson
from brainalign.encoding.inner_folds import Demand
from brainalign.encoding.operators import Design
from brainalign.encoding.pools import Space, joint, measured_subjects
from brainalign.encoding.responses import Responses
from brainalign.encoding.splits import Contiguous, Split
from brainalign.intervals import TAILS

LOG = logging.getLogger("brainalign")
Pair = tuple[tuple[str, ...], tuple[str, ...]]
SIGNAL_SHARE = 0.25  # the least ρ² of a target, as a share of that of targets with signal


class Agreements(NamedTuple):
    """r of predictions with the response, and of predictions with one another, [fold, target] each.

    float64, means over the pairs of pools; NaN where the response is not measured or constant in
    the fold.
    """

    response: np.ndarray
    prediction: np.ndarray


def agreements(
    responses: Responses, benchmark: RegressionBenchmark, pairs: int, random: np.random.Generator
) -> Agreements:
    """Predict every subject from two halves of the others, fitted to two halves of training rows.

    Each of the two pools is fitted to each half of the rows; predictions of different pools and
    different halves are compared. All ways to halve the other subjects, or `pairs` of them.

    Raises
    ------
    InputError : fewer than three subjects have measured targets.
    """
    of_subject = measured_subjects(responses, "disattenuation")
    targets = {s: responses.only(which) for s, which in of_subject.items()}
    drawn = {
        s: _pairs([other for other in of_subject if other != s], pairs, random) for s in of_subject
    }
    shape = (len(benchmark.splits), responses.measured.size)
    result = Agreements(np.full(shape, np.nan), np.full(shape, np.nan))
    for fold, split in enumerate(benchmark.splits):
        spaces = {s: Space(targets[s], split) for s in of_subject}
        halves = [part.train for part in _inside(benchmark, split.train, 2)]
        for s, which in of_subject.items():
            train, test = targets[s].fold(split, slice(None))
            responding, predicting = [], []
            for pair in drawn[s]:
                designs = [joint([spaces[name] for name in pool], benchmark.intercept)
                           for pool in pair]  # fmt: skip
                predicted = [
                    [
                        _predict(design, Split(half, spaces[s].rows.test), train[half], benchmark,
                                 split.train[half])
                        for half in halves
                    ]
                    for design in designs
                ]  # fmt: skip
                for one, other in ((0, 1), (1, 0)):
                    first, second = predicted[0][one], predicted[1][other]
                    responding += [pearson(p, test) for p in (first, second)]
                    agreed = pearson(first, second)
                    predicting.append(np.nan_to_num(agreed))  # a constant agrees with nothing
            result.response[fold, which] = np.mean(responding, axis=0)
            result.prediction[fold, which] = np.mean(predicting, axis=0)
        LOG.info("fold %d/%d: %d subjects", fold + 1, len(benchmark.splits), len(of_subject))
    missing = ~responses.measured | np.isnan(result.response)
    return Agreements(*(np.where(missing, np.nan, values) for values in result))


def _pairs(others: list[str], pairs: int, random: np.random.Generator) -> list[Pair]:
    """Different ways to cut the other subjects in two halves: `pairs`, or as many as there are."""
    half = len(others) // 2
    most = math.comb(len(others), half) // (2 if 2 * half == len(others) else 1)
    drawn: dict[frozenset[tuple[str, ...]], Pair] = {}
    while len(drawn) < min(pairs, most):
        order = random.permutation(others).tolist()
        pair = (tuple(sorted(order[:half])), tuple(sorted(order[half:])))
        drawn[frozenset(pair)] = pair
    return list(drawn.values())


def _inside(benchmark: RegressionBenchmark, rows: np.ndarray, folds: int) -> list[Split]:
    """Folds of the given rows as positions in them; blocks where they are of a single group."""
    groups, scheme = benchmark.groups, benchmark.scheme
    if groups is None or np.unique(groups[rows]).size < 2:
        scheme = Contiguous()
    return scheme.inner(rows, groups, folds)


def _predict(
    design: Design,
    rows: Split,
    responses: np.ndarray,
    benchmark: RegressionBenchmark,
    numbers: np.ndarray,
) -> np.ndarray:
    """Predictions [test row, target]; `numbers` are the training rows' in the whole benchmark."""

    def gram() -> np.ndarray:
        exact = responses.astype(np.float64)
        return exact @ exact.T

    demand = Demand(responses.dtype, responses.shape[1])
    fit, _ = benchmark.fit(design, rows, partial(_inside, benchmark, numbers), gram, demand)
    return fit.predict(responses)[0].values


class Accuracy(NamedTuple):
    """How well predictions recover what the subjects share: ρ² of each target, [..., target].

    ρ² of all targets is `signal`, [...], in which they weigh by their r with the response; NaN
    where that r or their agreement is not positive.
    """

    each: np.ndarray
    signal: np.ndarray


def accuracy(measured: Agreements, weights: np.ndarray) -> Accuracy:
    """ρ² from the agreement of predictions.

    A target's is the agreement of its predictions, drawn towards the mean over targets by the
    share of their variance that is noise of the folds (James & Stein), and at least a quarter of
    `signal`, so that targets without signal are not divided by nothing. `signal` is the mean of
    r(p, p') with weights r(p, y), the two factors from different folds.

    Parameters
    ----------
    weights : how often each fold counts, [sample, fold].
    """
    response, prediction = (np.nan_to_num(values) for values in measured)
    n = weights @ ~np.isnan(measured.response)  # [sample, target]
    square = (weights**2) @ ~np.isnan(measured.response)
    pairs = np.where(n**2 > square, n**2 - square, np.nan)

    def crossed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The mean product of two different folds, [sample, target]."""
        same = (weights**2) @ (one * other)
        return ((weights @ one) * (weights @ other) - same) / pairs

    n = np.where(n > 0, n, np.nan)
    mean = (weights @ prediction) / n
    level = np.nanmean(mean, axis=1, keepdims=True)
    product = np.nanmean(crossed(prediction, prediction), axis=1, keepdims=True)
    total = np.nanmean(mean**2, axis=1, keepdims=True) - level**2
    share = np.clip((product - level**2) / np.where(total > 0, total, np.inf), 0.0, 1.0)
    against = np.nanmean((weights @ response) / n, axis=1)
    agreed = np.nanmean(crossed(response, prediction), axis=1)
    positive = (against > 0) & (agreed > 0)
    signal = np.where(positive, agreed / np.where(positive, against, 1.0), np.nan)
    least = SIGNAL_SHARE * signal[:, None]
    return Accuracy(np.maximum(level + share * (mean - level), least), signal)


def disattenuated(
    measured: Agreements, bootstraps: int, random: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """Ceilings r(p, y) / ρ of all folds and of resampled folds, and whether there is a ρ.

    A target's ceiling is linear in its response and not clipped, so that means over targets are
    without bias. Where ρ² is not positive in 97.5 % of the samples, predictions from different
    subjects do not agree: nothing is divided, and what is returned is r(p, y).

    Returns
    -------
    float64 [1 + bootstraps, target], the first of all folds.
    """
    n_folds = len(measured.response)
    drawn = random.multinomial(n_folds, np.full(n_folds, 1 / n_folds), size=bootstraps)
    drawn[(drawn > 0).sum(axis=1) < 2] = 1  # one fold alone is no sample of folds
    weights = np.concatenate([np.ones((1, n_folds)), drawn])
    recovered = accuracy(measured, weights)
    counted = weights @ ~np.isnan(measured.response)
    r = (weights @ np.nan_to_num(measured.response)) / np.where(counted > 0, counted, np.nan)
    defined = ~np.isnan(recovered.signal)
    agree = bool(defined[0] and defined.mean() >= TAILS[1])
    LOG.info(
        "predictions from other subjects: r = %.4f, accuracy ρ² = %.4f",
        np.nanmean(r[0]), recovered.signal[0],
    )  # fmt: skip
    return (r / np.sqrt(recovered.each) if agree else r), agree
