"""A damaged file of any kind is an InputError that names it and says what to do."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.datasets import read_responses
from brainalign.formats.tables import read_json, read_table, write_json, write_table
from brainalign.models.manifest import safetensors_header

ROWS = 400
TABLE = pd.DataFrame({"text": [f"row {i}" for i in range(ROWS)], "r": np.arange(ROWS) / 7})
LAYERS = {"embedding": np.ones((ROWS, 8), np.float32)}
IDS = [f"s{i}" for i in range(ROWS)]


def write_responses(path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(ROWS, 5))
    xr.Dataset({"responses": (("stimulus", "target"), values)}).to_netcdf(path, engine="h5netcdf")


KINDS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "table.parquet": (lambda path: write_table(TABLE, path), read_table),
    "table.csv": (lambda path: write_table(TABLE, path), read_table),
    "record.json": (lambda path: write_json(TABLE.to_dict("records"), path), read_json),
    "responses.nc": (write_responses, lambda path: read_responses(path, TABLE)),
    "layers.safetensors": (lambda path: write_activations(LAYERS, IDS, path, {}), open_activations),
    "model.safetensors": (
        lambda path: write_activations(LAYERS, IDS, path, {}),
        safetensors_header,
    ),
}


@pytest.mark.parametrize("share", [0.0, 0.31, 0.9, 0.999])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_short(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / kind
    write, read = KINDS[kind]
    write(path)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(InputError, match=rf"(?s){kind}: .*emove it and run\s+again"):
        read(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["table.parquet", "table.csv", "record.json"])
def test_a_file_with_a_damaged_block(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / kind
    write, read = KINDS[kind]
    write(path)
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * share))
        file.write(bytes(64))
    with pytest.raises(InputError, match=rf"(?s){kind}: .*remove it and run again"):
        read(path)


def test_activations_are_written_alike_byte_for_byte(tmp_path: Path) -> None:
    """safetensors' own writer puts the metadata in another order each time."""
    for number in range(8):
        write_activations(LAYERS, IDS, tmp_path / f"{number}.safetensors", {"model": "m"})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
