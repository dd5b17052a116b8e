"""Converting weights to a safetensors checkpoint: weight deltas."""

import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from brainalign.errors import InputError
from brainalign.formats.atomic import fresh_folder
from brainalign.models.manifest import TEXT_SUFFIXES, check_no_adapter, weight_files

NEW_ROWS = ("mean", "zero")


def copy_text_files(folder: Path, target: Path) -> None:
    """Copy all files except weights: config, tokenizer, chat template, index."""
    for file in folder.iterdir():
        if file.is_file() and file.suffix in TEXT_SUFFIXES:
            shutil.copyfile(file, target / file.name)


def add_delta(base: Path, delta: Path, folder: Path, new_rows: str | None = None) -> None:
    """Write base + delta as a checkpoint with the delta's config and tokenizer.

    Sums are float32, written in the delta's dtype, one file in memory at a time.

    Parameters
    ----------
    base, delta : checkpoint folders with the same tensors.
    folder : where the sum goes.
    new_rows : what stands for rows of the embedding matrices that the base does not have (tokens
        added in tuning): `mean` of the base's rows (Stanford Alpaca, weight_diff.py) or `zero`
        (StableVicuna, apply_delta.py).

    Raises
    ------
    InputError : tensors of one are absent from the other or of another shape; an adapter lies
        beside one.
    """
    check_no_adapter(base)
    check_no_adapter(delta)
    shapes = {name: shape for file in weight_files(base) for name, shape in _shapes(file).items()}
    holders = {name: file for file in weight_files(base) for name in _shapes(file)}
    used: set[str] = set()
    with fresh_folder(folder) as partial:
        copy_text_files(delta, partial)
        for file in weight_files(delta):
            total: dict[str, torch.Tensor] = {}
            with safe_open(file, framework="pt") as deltas:
                for name in deltas.keys():  # noqa: SIM118 - a safetensors file is no mapping
                    change = deltas.get_tensor(name)
                    if name.endswith("rotary_emb.inv_freq"):
                        total[name] = change  # a constant, not a difference
                        continue
                    if name not in shapes:
                        raise InputError(f"{base}: has no tensor {name}, which {file} changes")
                    with safe_open(holders[name], framework="pt") as bases:
                        start = bases.get_tensor(name).float()
                    start = _with_new_rows(start, change, new_rows, f"{file}: {name}")
                    total[name] = (start + change.float()).to(change.dtype)
                    used.add(name)
            save_file(total, partial / file.name, metadata={"format": "pt"})
        left = {name for name in shapes if not name.endswith("rotary_emb.inv_freq")} - used
        if left:
            raise InputError(f"{delta}: has no tensor {min(left)}, which {base} has")


def _shapes(file: Path) -> dict[str, list[int]]:
    with safe_open(file, framework="pt") as tensors:
        return {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118


def _with_new_rows(
    base: torch.Tensor, change: torch.Tensor, new_rows: str | None, where: str
) -> torch.Tensor:
    if base.shape == change.shape:
        return base
    added = change.shape[0] - base.shape[0]
    if base.ndim != 2 or base.shape[1:] != change.shape[1:] or added < 1:
        raise InputError(f"{where}: shape {tuple(change.shape)}, the base has {tuple(base.shape)}")
    if new_rows not in NEW_ROWS:
        raise InputError(
            f"{where}: {added} rows more than the base has: new_rows must be one of "
            f"{', '.join(NEW_ROWS)}, it is {json.dumps(new_rows)}"
        )
    rows = base.mean(0, keepdim=True) if new_rows == "mean" else torch.zeros_like(base[:1])
    return torch.cat([base, rows.expand(added, -1)])
