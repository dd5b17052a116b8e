"""Published fits to reading times made again, and this study's gains."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from brainalign.behavior.fits import GAIN

COLUMNS = (
    "model", "base", "family", "role", "release", "dataset", "statistic", "published",
    "recomputed", "difference", "in_place", "ours", "n", "simulated",
)  # fmt: skip
FIT = (GAIN, "aic")  # the statistics that say how well a model fits


def published_fits(
    fits: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping[str, str]],
    behaviors: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, str]],
) -> pd.DataFrame:
    """A row per model and published statistic.

    Parameters
    ----------
    fits : model → its file (`brainalign.behavior.published_fits`).
    models : model → `release`, and `dataset`, the study's dataset that was fitted.
    behaviors : tables/behaviors.csv, of models that `fits` has.
    benchmarks : the section `behavior` of the config.

    Returns
    -------
    COLUMNS (docs/outputs.md). `ours`: beside a statistic of fit, the study's gain in held-out
    log-likelihood per word on the same times, in controlled mode (NaN where it has none).
    """
    facts = behaviors.drop_duplicates("model").set_index("model")
    gains = behaviors[(behaviors["mode"] == "controlled") & (behaviors["measure"] == GAIN)]
    rows = []
    for model, table in fits.items():
        about = models[model]
        of_dataset = [
            name for name, entry in benchmarks.items() if entry["dataset"] == about["dataset"]
        ]
        ours = gains.loc[(gains["model"] == model) & gains["benchmark"].isin(of_dataset), "value"]
        known = {name: facts[name].get(model) for name in ("base", "family", "role")}
        rows += [
            {
                **row, **about, **known, "model": model,
                "difference": row["recomputed"] - row["published"],
                "ours": ours.iloc[0] if row["statistic"] in FIT and len(ours) else np.nan,
                "simulated": False,
            }
            for row in table.to_dict("records")
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
