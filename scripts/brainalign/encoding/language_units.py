"""Language units: the units of a model that prefer sentences to non-words, and units beside them.

A localizer's stimuli are sentences and strings of non-words. A unit's selectivity is Welch's t of
its absolute activations, sentences minus non-words (AlKhamissi et al. 2024, arXiv 2411.02280, and
their repository BKHMSI/llm-localization, which this ranks as).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import ttest_ind

from brainalign.encoding.features import check_finite, ordered_like
from brainalign.encoding.settings import UNIT_METHODS, Reduction
from brainalign.errors import InputError
from brainalign.formats.activations import ActivationFile

MODEL = "units of the model"  # the name of their layer where all layers are pooled

Units = Mapping[str, np.ndarray]
"""Layer → numbers of its units, increasing."""


def selectivity(
    activations: ActivationFile, stimuli: pd.DataFrame, conditions: xr.Dataset
) -> pd.DataFrame:
    """How much each unit of a model prefers the sentences of a localizer: Welch's t of the absolute
    activations, sentences against the others (AlKhamissi et al. 2024, arXiv 2411.02280).

    Parameters
    ----------
    activations : of the localizer's stimuli; a layer is [stimulus, unit].
    stimuli, conditions : the localizer (`datasets/localizer.py`); `conditions` holds `responses`
        [stimulus, 1], 1 for a sentence.

    Returns
    -------
    `layer`, `unit`, `t` (NaN where a unit is constant); a row per unit, in the model's order.

    Raises
    ------
    InputError : activations of other stimuli, or NaN or Inf in a layer.
    """
    ids = stimuli["stimulus_id"].to_numpy().astype(str)
    names = np.asarray(activations.stimulus_ids)
    order = ordered_like(names, ids, str(activations.path))
    is_sentence = conditions["responses"].values[:, 0] == 1
    tables = []
    for layer in activations.layers:
        values = activations.layer(layer)
        check_finite(values, names, f"{activations.path}: layer {layer}")
        size = np.abs(values[order].astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            t = ttest_ind(size[is_sentence], size[~is_sentence], equal_var=False).statistic
        tables.append(pd.DataFrame({"layer": layer, "unit": np.arange(len(t)), "t": t}))
    return pd.concat(tables, ignore_index=True)


def choose_units(
    widths: Mapping[str, int], reduce: Reduction, t: pd.DataFrame | None, seed: int
) -> Units:
    """The units that a reduction keeps: those that come first by its method.

    Among equals the first in the model's order comes first; a unit without t comes last. Units of
    the whole model are chosen among blocks alone: neither embeddings nor a final norm are any.

    Parameters
    ----------
    widths : layer → its units, in the model's order.
    t : of `selectivity`; None: method `random`, which draws with `seed`.

    Raises
    ------
    InputError : more units than there are; t of other units.
    """
    chosen: dict[str, np.ndarray] = {}
    draw = np.random.default_rng([seed, 11])
    for layers in pools(list(widths), reduce.among):
        owner = np.repeat(layers, [widths[name] for name in layers])
        unit = np.concatenate([np.arange(widths[name]) for name in layers])
        k = reduce.number(unit.size)
        if k > unit.size:
            where = layers[0] if reduce.among == "layer" else "the model"
            raise InputError(
                f"reduce.dimensions: {k}, but {where} has {unit.size} units; give no more"
            )
        score = draw.random(unit.size) if t is None else _preference(layers, widths, reduce, t)
        first = np.argsort(-score, kind="stable")[:k]
        for name in layers:
            chosen[name] = np.sort(unit[first[owner[first] == name]])
    return chosen


def pools(layers: Sequence[str], among: str) -> list[list[str]]:
    """The layers whose units are chosen together: each by itself, or all blocks of the model."""
    if among == "layer":
        return [[name] for name in layers]
    return [[name for name in layers if is_block(name)]]


def is_block(layer: str) -> bool:
    """Whether a layer is the output of a block: `layer.3`, `encoder.3`, `decoder.3`."""
    return layer.split(".")[-1].isdigit()


def _preference(
    layers: Sequence[str], widths: Mapping[str, int], reduce: Reduction, t: pd.DataFrame
) -> np.ndarray:
    """The t by which the units of layers, one after the other, come first; −inf where none is."""
    layer, values = t["layer"].to_numpy(), t["t"].to_numpy()
    known = [values[layer == name] for name in layers]
    for name, of_layer in zip(layers, known, strict=True):
        if len(of_layer) != widths[name]:
            raise InputError(
                f"localizer: layer {name} has {len(of_layer)} units there, but {widths[name]} here"
            )
    score = np.concatenate(known)
    return np.nan_to_num(-score if reduce.method == "nonwords" else score, nan=-np.inf)


@dataclass(frozen=True)
class UnitFile(ActivationFile):
    """An activation file of which only some units are read.

    `units`: name of a layer here → the units that it has of each layer of the file.
    """

    units: Mapping[str, Units] = field(default_factory=dict)

    def layer(self, name: str) -> np.ndarray:
        """The units [stimulus, unit] of a layer, of the dtype of the activation file."""
        parts = [
            super(UnitFile, self).layer(name_of_layer)[:, at]
            for name_of_layer, at in self.units[name].items()
        ]
        return np.hstack(parts)


def with_units(
    file: ActivationFile, reduce: Reduction, t: pd.DataFrame | None, seed: int
) -> UnitFile:
    """An activation file with the units that a reduction keeps (`choose_units`).

    Their metadata say in `reduction` what became of each layer: `localizer 32`.
    """
    assert reduce.method in UNIT_METHODS
    chosen = choose_units({name: file.width(name) for name in file.layers}, reduce, t, seed)
    units: dict[str, Units] = {MODEL: {name: at for name, at in chosen.items() if len(at)}}
    if reduce.among == "layer":
        units = {name: {name: at} for name, at in chosen.items()}
    said = {name: f"{reduce.method} {sum(map(len, of.values()))}" for name, of in units.items()}
    described = replace(file, layers=tuple(units), metadata={**file.metadata, "reduction": said})
    return UnitFile(**vars(described), units=units)
