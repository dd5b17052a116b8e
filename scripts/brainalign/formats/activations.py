"""Activation files: one float32 tensor [stimulus, unit] per layer, in one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from brainalign.errors import InputError
from brainalign.formats.atomic import atomic_path


@dataclass(frozen=True)
class ActivationFile:
    """What an activation file says of itself; `layer` reads one tensor at a time."""

    path: Path
    layers: tuple[str, ...]
    stimulus_ids: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def layer(self, name: str) -> np.ndarray:
        """The activations of one layer, float32 [stimulus, unit]."""
        with safe_open(self.path, framework="numpy") as file:
            return file.get_tensor(name)


def write_activations(
    layers: Mapping[str, np.ndarray],
    stimulus_ids: list[str],
    path: str | Path,
    metadata: Mapping[str, Any],
) -> None:
    """Write all layers of one model for one dataset.

    Parameters
    ----------
    layers : layer name → float32 [stimulus, unit], in the model's order (embedding output first).
    stimulus_ids : one per row, in the rows' order.
    metadata : JSON-able facts (pooling, context rule, tokens fed, truncated rows, model, dataset).

    Raises
    ------
    InputError : a layer has another number of rows than `stimulus_ids`, or holds NaN or Inf.
    """
    for name, values in layers.items():
        if len(values) != len(stimulus_ids):
            raise InputError(
                f"{path}: layer {name} has {len(values)} rows, not {len(stimulus_ids)}"
            )
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if bad.size:
            raise InputError(
                f"{path}: layer {name} has non-finite values in {bad.size} rows, "
                f"first {stimulus_ids[bad[0]]}"
            )
    header = {
        "layers": json.dumps(list(layers)),
        "stimulus_ids": json.dumps(list(stimulus_ids)),
        "metadata": json.dumps(dict(metadata), sort_keys=True),
    }
    tensors = {name: np.ascontiguousarray(v, dtype=np.float32) for name, v in layers.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def open_activations(path: str | Path) -> ActivationFile:
    """Open an activation file without reading its tensors.

    Raises
    ------
    InputError : the file is missing, truncated, or not an activation file.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such activation file")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            names = set(file.keys())
    except SafetensorError as error:
        raise InputError(f"{path}: not a whole safetensors file ({error})") from error
    if not {"layers", "stimulus_ids"} <= header.keys():
        raise InputError(f"{path}: not an activation file (its header names no layers)")
    layers = tuple(json.loads(header["layers"]))
    if set(layers) != names:
        raise InputError(f"{path}: header names layers {sorted(set(layers) ^ names)} that differ")
    return ActivationFile(
        path=path,
        layers=layers,
        stimulus_ids=tuple(json.loads(header["stimulus_ids"])),
        metadata=json.loads(header.get("metadata", "{}")),
    )
