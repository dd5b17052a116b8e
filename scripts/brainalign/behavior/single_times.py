"""Measures of single readers' times: a mixed model of crossed readers and items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainalign.behavior.fits import MIXED_GAIN
from brainalign.behavior.gains import gain_rows
from brainalign.behavior.mixed_model import CrossedModel, ItemSums, combined, fit, item_sums, loglik
from brainalign.behavior.settings import MixedModel
from brainalign.behavior.terms import independent
from brainalign.errors import InputError
from brainalign.intervals import NORMAL
from brainalign.notes import not_computable

SURPRISAL = "bits"


@dataclass(frozen=True)
class Observations:
    """Single times: y [observation] with regressors x and readers' regressors z [observation, …];
    labels `reader`, `item` and `story` [observation]."""

    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    reader: np.ndarray
    item: np.ndarray
    story: np.ndarray

    def by_story(self) -> list[ItemSums]:
        """Sums over the observations of every story (sorted), with columns for all readers."""
        readers = np.unique(self.reader)

        def sums(one: np.ndarray) -> ItemSums:
            x, y, z = self.x[one], self.y[one], self.z[one]
            return item_sums(x, y, z, self.reader[one], self.item[one], readers)

        return [sums(self.story == name) for name in np.unique(self.story)]


def mixed_model_rows(
    design: pd.DataFrame,
    base: Sequence[str],
    times: np.ndarray,
    items: Mapping[str, np.ndarray],
    story: np.ndarray,
    mixed: MixedModel,
    unit: str,
) -> Iterator[dict[str, Any]]:
    """What surprisal adds to a mixed model of single times, and its slope there.

    The models are those of lme4, `time ~ regressors + (1 + slopes || reader) + (1 | item)`, by
    maximum likelihood; the one without surprisal has no slopes of readers on it either.

    Parameters
    ----------
    design : [word, regressor], no NaN; the column `bits` is the word's surprisal. A regressor that
        is constant, or that others determine, is left out, as lme4 does; `note` of `mixed_aic`
        names it.
    base : the regressors of the model without surprisal.
    times : float64 [word, reader], NaN where unread, in `unit`.
    items : `word` and `sentence`, labels [word].
    story : labels [word].
    mixed : the regressors whose slopes differ between readers, which of `items`, and whether the
        held-out gain is computed (two fits per story).

    Yields
    ------
    `mixed_aic` (of the model with surprisal), `mixed_slope_UNIT_per_bit` with Wald's 95 % interval,
    which holds for readers and items like these; `mixed_delta_loglik_per_observation`: the gain
    by surprisal in the log-likelihood (nats) of each story given the others, both models fitted to
    the others; for every story and for all.

    Raises
    ------
    InputError : a slope on what is no regressor.
    """
    slopes = list(mixed.slopes)
    unknown = [name for name in slopes if name not in design]
    if unknown:
        raise InputError(
            f"mixed_model.slopes: {unknown[0]!r} is no regressor; expected some of "
            f"{', '.join(design.columns)}"
        )
    common = {"kind": "all", "group": "all"}
    if times.shape[1] < 2:
        note = not_computable("no single readers' times")
        for measure in (MIXED_GAIN, "mixed_aic"):
            yield {**common, "measure": measure, "value": np.nan, "note": note}
        return
    names = list(design.columns)
    kept = independent(design[[*base, *(name for name in names if name not in base)]])
    if SURPRISAL not in kept:
        note = not_computable("the covariates determine this regressor")
        for measure in (MIXED_GAIN, "mixed_aic"):
            yield {**common, "measure": measure, "value": np.nan, "note": note}
        return
    left_out = ", ".join(name for name in names if name not in kept)
    note = f"left out, for the others determine them: {left_out}" if left_out else ""
    base = [name for name in base if name in kept]
    design = design[[name for name in names if name in kept]]
    word, reader = np.nonzero(~np.isnan(times))
    item = np.asarray(items[mixed.items])[word]
    spread = design.std(ddof=0)
    scaled = (design - design.mean()) / spread.where(spread > 0, 1.0)

    def observations(names: Sequence[str]) -> Observations:
        x = np.column_stack([np.ones(len(word)), scaled[list(names)].to_numpy()[word]])
        effects = [0, *(1 + list(names).index(name) for name in slopes if name in names)]
        return Observations(x, x[:, effects], times[word, reader], reader, item, story[word])

    full = observations(list(design.columns)).by_story()
    model = fit(combined(full))
    n = {"n": model.n}
    yield {**common, **n, "measure": "mixed_aic", "value": model.aic, "note": note}
    index = 1 + list(design.columns).index(SURPRISAL)
    value, error = (a[index] / spread[SURPRISAL] for a in (model.weights, model.standard_errors))
    yield {
        **common, **n, "measure": f"mixed_slope_{unit}_per_bit", "value": value,
        "low": value - NORMAL * error, "high": value + NORMAL * error,
        "interval": "readers and items",
    }  # fmt: skip
    if not mixed.held_out:
        return
    if len(set(story)) < 2:
        note = not_computable("one story, cross-validation needs two")
        yield {**common, "measure": MIXED_GAIN, "value": np.nan, "note": note}
        return
    null = observations(list(base)).by_story()
    gain = held_out_logliks(full, model) - held_out_logliks(null, fit(combined(null)))
    counts = np.array([part.sizes.sum() for part in full])
    yield from gain_rows(MIXED_GAIN, gain, np.unique(story[word]), counts)


def held_out_logliks(stories: Sequence[ItemSums], model: CrossedModel) -> np.ndarray:
    """Log-likelihood (nats) of each story given the others, as fitted to these; float64 [story].

    What the other stories say of a reader predicts that reader's times; an item of the story is
    known from its own times alone, so that these are scored together.

    Parameters
    ----------
    stories : the sums of every story; no item is in two.
    model : fitted to all of them; the searches start from it.
    """
    every = combined(stories)
    result = []
    for left_out in range(len(stories)):
        trained = combined([part for i, part in enumerate(stories) if i != left_out])
        fitted = fit(trained, near=model)
        result.append(loglik(fitted, every) - loglik(fitted, trained))
    return np.array(result)
