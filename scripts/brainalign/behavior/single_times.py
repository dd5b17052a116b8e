"""Measures of single readers' times: a mixed model of crossed readers and items."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainalign.behavior.mixed_model import CrossedModel, crossed_sums, fit
from brainalign.errors import InputError

SURPRISAL = "bits"
NORMAL = 1.959963984540054  # the .975 quantile


def mixed_model_rows(
    design: pd.DataFrame,
    base: Sequence[str],
    times: np.ndarray,
    items: Mapping[str, np.ndarray],
    options: Mapping[str, Any],
    unit: str,
) -> Iterator[dict[str, Any]]:
    """What surprisal adds to a mixed model of single times, and its slope there.

    The models are those of lme4, `time ~ regressors + (1 + slopes || reader) + (1 | item)`, by
    maximum likelihood; the one without surprisal has no slopes of readers on it either.

    Parameters
    ----------
    design : [word, regressor], no NaN; the column `bits` is the word's surprisal.
    base : the regressors of the model without surprisal.
    times : float64 [word, reader], NaN where unread, in `unit`.
    items : `word` and `sentence`, labels [word].
    options : `slopes`, the regressors whose slopes differ between readers (default: `bits`), and
        `items`, a key of `items` (default: `word`).

    Yields
    ------
    `mixed_delta_loglik_per_observation` (nats, in sample), `mixed_aic` (of the model with
    surprisal), `mixed_slope_UNIT_per_bit` with Wald's 95 % interval, which holds for readers and
    items like these.

    Raises
    ------
    InputError : a slope on what is no regressor.
    """
    slopes = list(options.get("slopes", [SURPRISAL]))
    unknown = [name for name in slopes if name not in design]
    if unknown:
        raise InputError(
            f"mixed_model.slopes: {unknown[0]!r} is no regressor; expected some of "
            f"{', '.join(design.columns)}"
        )
    common = {"kind": "all", "group": "all"}
    if times.shape[1] < 2:
        note = "not computable: no single readers' times"
        yield {**common, "measure": "mixed_aic", "value": np.nan, "note": note}
        return
    word, reader = np.nonzero(~np.isnan(times))
    item = np.asarray(items[options.get("items", "word")])[word]
    spread = design.std(ddof=0)
    scaled = (design - design.mean()) / spread.where(spread > 0, 1.0)

    def fitted(names: Sequence[str]) -> CrossedModel:
        x = np.column_stack([np.ones(len(word)), scaled[list(names)].to_numpy()[word]])
        effects = [0, *(1 + list(names).index(name) for name in slopes if name in names)]
        return fit(crossed_sums(x, times[word, reader], x[:, effects], reader, item))

    full, null = fitted(list(design.columns)), fitted(list(base))
    n = {"n": full.n}
    gain = (full.loglik - null.loglik) / full.n
    yield {**common, **n, "measure": "mixed_delta_loglik_per_observation", "value": gain}
    yield {**common, **n, "measure": "mixed_aic", "value": full.aic}
    place = 1 + list(design.columns).index(SURPRISAL)
    value, error = (a[place] / spread[SURPRISAL] for a in (full.weights, full.standard_errors))
    yield {
        **common, **n, "measure": f"mixed_slope_{unit}_per_bit", "value": value,
        "low": value - NORMAL * error, "high": value + NORMAL * error,
        "interval": "readers and items",
    }  # fmt: skip
