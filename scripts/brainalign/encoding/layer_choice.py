"""The layer that stands for a model: by depth, the best, or chosen in each fold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainalign.encoding.summary import mean_of_defined, spread_of_defined


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of an alignment table (`summary.COLUMNS`) on all subjects, regions and folds
    together.
    """
    everything = (table["subject"] == "all") & (table["region"] == "all") & (table["fold"] == -1)
    return table[everything]


def nearest_in_depth(names: Sequence[str], depth: float, stack: str) -> int:
    """The layer nearest to a relative depth: 0 enters the first block, 1 is the last layer.

    `names`: all layers of a model in its order. Of an encoder-decoder model the layers `encoder.…`
    or `decoder.…` count alone, as `stack` says; its decoder has no layer at depth 0.
    """
    inside = [index for index, name in enumerate(names) if name.startswith(f"{stack}.")]
    depths = np.arange(len(inside or names)) + int(stack == "decoder" and bool(inside))
    nearest = int(np.abs(depths / max(depths[-1], 1) - depth).argmin())
    return inside[nearest] if inside else nearest


def best_layers(inner: np.ndarray) -> np.ndarray:
    """The layer of the highest r in each fold (the first of equals), int [fold]; `inner` is [layer,
    fold]."""
    return np.where(np.isnan(inner), -np.inf, inner).argmax(axis=0)


class LayerChoice:
    """The layer that stands for the model in each fold, as far as layers have been scored.

    Parameters
    ----------
    names : all layer names, in the model's order.
    layers : best, nested, or a relative depth, in an encoder-decoder model that of `stack`.

    Attributes
    ----------
    best : int64 [fold], numbers of layers.
    """

    def __init__(self, names: Sequence[str], layers: str | float, stack: str, n_folds: int) -> None:
        fixed = nearest_in_depth(names, layers, stack) if isinstance(layers, float) else 0
        self.best = np.full(n_folds, fixed)
        self._layers = layers
        self._r: list[Sequence[float]] = []

    def add(self, r: float, inner: Sequence[float]) -> np.ndarray:
        """Count the next layer; bool [fold], the folds in which it stands for the model so far.

        `r`: over all targets and folds; `inner`: inside the training rows of each fold, where
        folds choose their layer.
        """
        self._r.append(inner if self._layers == "nested" else [r])
        if not isinstance(self._layers, float):
            self.best = np.broadcast_to(best_layers(np.asarray(self._r)), self.best.shape)
        return self.best == len(self._r) - 1


def nested_rows(table: pd.DataFrame, best: np.ndarray) -> pd.DataFrame:
    """Rows of the layer chosen in each fold by its training rows, `best` [fold]."""
    folds, means = table[table["fold"] >= 0], table[table["fold"] == -1]
    # What has no r in some fold has none there in any layer.
    undefined = means.groupby(["subject", "region"])[["n_undefined", "reason"]].first()
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
            "alpha_at_lowest": group["alpha_at_lowest"].mean(),
            "units_per_row": group["units_per_row"].median(),
            "reduction": ", ".join(sorted(set(group["reduction"]))),
        }
        parts.append(pd.DataFrame([row]))
    nested = pd.concat(parts, ignore_index=True)
    nested["layer"] = "nested"
    nested["chosen"] = True
    return nested.sort_values(["subject", "region", "fold"], kind="stable")
