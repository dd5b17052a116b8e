"""Brain-Score's ceiling: scores from pools of subjects, extrapolated to infinitely many.

(brainscore_language.benchmarks.blank2014.ceiling, ExtrapolationCeiling.)
"""

import itertools
import logging
import math
from collections.abc import Sequence

import numpy as np

from brainalign.encoding.benchmark import RegressionBenchmark
from brainalign.encoding.pools import Space, joint, measured_subjects
from brainalign.encoding.responses import Responses
from brainalign.encoding.scoring import score_design

LOG = logging.getLogger("brainalign")
# Grid over tau (in subjects); larger ones are straight lines.
TAUS = np.geomspace(0.05, 200.0, 120)


def pool_scores(
    responses: Responses,
    benchmark: RegressionBenchmark,
    subsets: int | None,
    random: np.random.Generator,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """How well pools of other subjects predict each subject, by the number of subjects.

    For n = 2 … N subjects each subject is predicted, with the benchmark's regression and splits,
    from the responses of pools of n - 1 others: all pools, or `subsets` drawn without replacement.
    (Brain-Score takes all subsets of n subjects and holds
    each member out, which is the same set of pools.) A subject without any measured target is left
    out; its targets have no scores.

    Returns
    -------
    n, int [size]; and per size the scores [target, pool × fold] of all targets.

    Raises
    ------
    InputError : fewer than three subjects have measured targets: one size makes no curve.
    """
    of_subject = measured_subjects(responses, "extrapolation")
    subjects = list(of_subject)
    targets = {s: responses.only(of_subject[s]) for s in subjects}
    sizes = np.arange(2, len(subjects) + 1)
    pools = {
        (int(n), s): _pools(
            [other for other in subjects if other != s], int(n) - 1, subsets, random
        )
        for n in sizes
        for s in subjects
    }
    scores = {
        key: np.empty((targets[key[1]].measured.size, len(of), len(benchmark.splits)))
        for key, of in pools.items()
    }
    intercept = benchmark.intercept
    for fold, split in enumerate(benchmark.splits):
        spaces = {s: Space(targets[s], split) for s in subjects}
        for (n, held_out), of in pools.items():
            for i, pool in enumerate(of):
                design = joint([spaces[s] for s in pool], intercept)
                of_pool = score_design(
                    design, spaces[held_out].rows, targets[held_out], benchmark, split
                )
                scores[n, held_out][:, i, fold] = of_pool.r[0]
        LOG.info(
            "fold %d/%d: %d pools of subjects",
            fold + 1,
            len(benchmark.splits),
            sum(map(len, pools.values())),
        )
    joined = []
    for n in sizes.tolist():
        n_scores = scores[n, subjects[0]][0].size
        joined.append(np.full((responses.measured.size, n_scores), np.nan))
        for s in subjects:
            joined[-1][of_subject[s]] = scores[n, s].reshape(-1, n_scores)
    for n, values in zip(sizes.tolist(), joined, strict=True):
        LOG.info("%d subjects: mean r = %.4f", n, np.nanmean(values))
    return sizes, joined


def _pools(
    others: Sequence[str], size: int, subsets: int | None, random: np.random.Generator
) -> list[tuple[str, ...]]:
    n_pools = math.comb(len(others), size)
    if subsets is None or n_pools <= subsets:
        return list(itertools.combinations(others, size))
    drawn: dict[tuple[str, ...], None] = {}
    while len(drawn) < subsets:
        drawn[tuple(sorted(random.choice(others, size, replace=False).tolist()))] = None
    return list(drawn)


def extrapolate(
    sizes: np.ndarray, scores: Sequence[np.ndarray], bootstraps: int, random: np.random.Generator
) -> np.ndarray:
    """Bootstrapped asymptotes v0 of v(n) = v0 (1 - exp(-n / tau)), 0 <= v0 <= 1, per target.

    Parameters
    ----------
    sizes : numbers of subjects n. scores : per size [target, score].
    bootstraps : resamples of the scores of each size, whose means are fitted.

    Returns
    -------
    float64 [target, bootstrap]; the ceiling is the median over bootstraps. A target with an
    undefined score is NaN. As in the reference every target sees the same resamples.
    """
    means = []
    for values in scores:
        n_scores = values.shape[1]
        weights = random.multinomial(n_scores, np.full(n_scores, 1 / n_scores), size=bootstraps)
        means.append(values @ (weights.T / n_scores))
    curves = np.stack(means, axis=-1)  # [target, bootstrap, size]
    return fit_asymptotes(sizes, curves.reshape(-1, sizes.size)).reshape(-1, bootstraps)


def fit_asymptotes(sizes: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Least-squares v0 of many curves [curve, size] at once: float64 [curve]; `sizes` [size].

    For a given tau the best v0 is a projection, clipped to [0, 1]. tau is sought on a grid, as
    one matrix product for all curves, and refined by parabolas in log tau.
    """
    grid = np.log(TAUS)
    result = np.empty(len(curves))
    for start in range(0, len(curves), 16384):
        block = curves[start : start + 16384]
        shape = 1 - np.exp(-sizes / TAUS[:, None])
        power = (shape**2).sum(axis=1)
        overlap = block @ shape.T
        v0 = np.clip(overlap / power, 0, 1)
        loss = v0 * (v0 * power - 2 * overlap)
        best = loss.argmin(axis=1)
        center, step = grid[best], grid[1] - grid[0]
        here = loss[np.arange(len(block)), best]
        for _ in range(8):
            step /= 2
            left, right = (_loss(sizes, block, center + s)[0] for s in (-step, step))
            bend = left + right - 2 * here
            safe = np.where(bend > 0, bend, 1.0)
            jump = np.where(bend > 0, np.clip(step * (left - right) / (2 * safe), -step, step), 0.0)
            moved = _loss(sizes, block, center + jump)[0]
            options = np.stack([here, left, right, moved])
            pick = options.argmin(axis=0)
            shift = np.stack(
                [np.zeros_like(jump), np.full_like(jump, -step), np.full_like(jump, step), jump]
            )
            center = np.clip(
                center + np.take_along_axis(shift, pick[None], 0)[0], grid[0], grid[-1]
            )
            here = _loss(sizes, block, center)[0]
        result[start : start + len(block)] = _loss(sizes, block, center)[1]
    result[np.isnan(curves).any(axis=1)] = np.nan
    return result


def _loss(
    sizes: np.ndarray, curves: np.ndarray, log_tau: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared error (less the curves' power) and v0 at one tau per curve."""
    shape = 1 - np.exp(-sizes / np.exp(log_tau)[:, None])
    power, overlap = (shape**2).sum(axis=1), (curves * shape).sum(axis=1)
    v0 = np.clip(overlap / power, 0, 1)
    return v0 * (v0 * power - 2 * overlap), v0
