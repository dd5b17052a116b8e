"""Where in a model alignment lies, under the legacy and the controlled choice."""

from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.association import pearson
from brainalign.analysis.records import TRAINED
from brainalign.notes import not_computable

COLUMNS = (
    "model", "family", "role", "dataset", "legacy_benchmark", "controlled_benchmark", "n_models",
    "n_layers", "legacy_depth", "controlled_depth", "legacy_r", "controlled_r",
    "controlled_r_at_legacy", "correlation", "note", "simulated",
)  # fmt: skip
KEY = ["model", "family", "role", "dataset", "simulated"]
EVERY = "all"


def layer_profiles(layers: pd.DataFrame) -> pd.DataFrame:
    """Compare the layer curves of both modes, a row per model and dataset that has both.

    A further row per dataset (`model` all) holds the means over vanilla and tuned models, and the
    correlation of their two best depths over models. Neither correlation has a p: layers of a
    model and models of a family are not independent.

    Parameters
    ----------
    layers : the table `layers`. Benchmarks that are reported as one dataset are averaged first; a
        row `nested` is no layer.

    Returns
    -------
    COLUMNS (docs/outputs.md).
    """
    single = layers[(layers["layer"] != "nested") & layers["r"].notna()]
    rows = []
    for key, group in single.groupby(KEY, sort=False):
        modes = {mode: part for mode, part in group.groupby("mode")}
        if set(modes) != {"legacy", "controlled"}:
            continue
        curves = {
            mode: part.groupby("layer", sort=False)["r"].mean() for mode, part in modes.items()
        }
        both = pd.DataFrame(curves).dropna()
        depth = group.groupby("layer")["depth"].first()
        row = {**dict(zip(KEY, key, strict=True)), "n_models": 1}
        for mode, part in modes.items():
            row[f"{mode!s}_benchmark"] = " + ".join(part["benchmark"].unique())
        if both.empty:
            rows.append({**row, "n_layers": 0, "note": not_computable("no layer in both curves")})
            continue
        correlation = pearson(both["legacy"].to_numpy(), both["controlled"].to_numpy())
        best = both.idxmax()
        rows.append(
            {
                **row,
                "n_layers": len(both),
                "legacy_depth": depth[best["legacy"]],
                "controlled_depth": depth[best["controlled"]],
                "legacy_r": both["legacy"].max(),
                "controlled_r": both["controlled"].max(),
                "controlled_r_at_legacy": both["controlled"][best["legacy"]],
                "correlation": correlation.r,
                "note": not_computable(correlation.note.replace("models", "layers"))
                if np.isnan(correlation.r)
                else "",
            }
        )
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    means = [_mean_row(part) for _, part in table.groupby(["dataset", "simulated"], sort=False)]
    return pd.concat([table, pd.DataFrame(means)]).reindex(columns=list(COLUMNS))


def _mean_row(profiles: pd.DataFrame) -> dict[str, Any]:
    """Where alignment lies over all trained models of one dataset."""
    trained = profiles[profiles["role"].isin(TRAINED) & profiles["legacy_depth"].notna()]
    correlation = pearson(
        trained["legacy_depth"].to_numpy(), trained["controlled_depth"].to_numpy()
    )
    numbers = ["legacy_depth", "controlled_depth", "legacy_r", "controlled_r"]
    shared = ["dataset", "legacy_benchmark", "controlled_benchmark", "simulated"]
    return {
        **profiles.iloc[0][shared],
        **dict.fromkeys(["model", "family", "role"], EVERY),
        "n_models": len(trained),
        **trained[[*numbers, "controlled_r_at_legacy"]].mean(),
        "correlation": correlation.r,
        "note": not_computable(correlation.note),
    }
