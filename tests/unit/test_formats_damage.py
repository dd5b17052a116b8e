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
from brainalign.formats.datasets import read_responses, write_dataset
from brainalign.formats.tables import read_json, read_table, write_json, write_table
from brainalign.models.manifest import safetensors_header

ROWS = 400
TABLE = pd.DataFrame({"text": [f"row {i}" for i in range(ROWS)], "r": np.arange(ROWS) / 7})
IDS = [f"s{i}" for i in range(ROWS)]
VALUES = np.random.default_rng(1).normal(size=(ROWS, 8)).astype(np.float32)
LAYERS = {"embedding": VALUES, "layer.1": VALUES + 1}
STIMULI = pd.DataFrame(
    {
        "stimulus_id": IDS, "text": "word", "context_group": "a", "position": range(ROWS),
        "split_group": "a", "onset": np.nan, "offset": np.nan,
    }
)  # fmt: skip
TARGETS = [f"target {i}" for i in range(VALUES.shape[1])]


def write_responses(path: Path) -> None:
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), VALUES)},
        coords={
            "stimulus_id": ("stimulus", IDS),
            **{name: ("target", TARGETS) for name in ("target_id", "subject", "region")},
        },
        attrs={"kind": "brain", "units": "z", "source": "made", "licence": "none", "simulated": 1},
    )
    write_dataset(STIMULI, responses, path.with_name("stimuli.parquet"), path)


def read_layers(path: Path) -> list[np.ndarray]:
    file = open_activations(path)
    return [file.layer(name) for name in file.layers]


KINDS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "table.parquet": (lambda path: write_table(TABLE, path), read_table),
    "table.csv": (lambda path: write_table(TABLE, path), read_table),
    "record.json": (lambda path: write_json(TABLE.to_dict("records"), path), read_json),
    "responses.nc": (write_responses, lambda path: read_responses(path, STIMULI)),
    "layers.safetensors": (lambda path: write_activations(LAYERS, IDS, path, {}), read_layers),
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
@pytest.mark.parametrize(
    "kind", ["table.parquet", "table.csv", "record.json", "responses.nc", "layers.safetensors"]
)
def test_a_file_with_a_damaged_block(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / kind
    write, read = KINDS[kind]
    write(path)
    read(path)
    with path.open("r+b") as file:
        at = int(path.stat().st_size * share)
        file.seek(at)
        block = file.read(64)
        file.seek(at)
        file.write(bytes(64) if any(block) else b"\1" * 64)
    with pytest.raises(InputError, match=rf"(?s){kind}: .*remove it and run again"):
        read(path)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("responses.nc", VALUES[200, 3].tobytes()),
        ("responses.nc", b"target 5"),
        ("responses.nc", b"licence"),
        ("layers.safetensors", VALUES[200, 3].tobytes()),
    ],
    ids=["response", "text", "attribute", "activation"],
)
def test_a_changed_byte(kind: str, value: bytes, tmp_path: Path) -> None:
    path = tmp_path / kind
    write, read = KINDS[kind]
    write(path)
    content = path.read_bytes()
    at = content.rindex(value)
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(InputError, match=rf"(?s){kind}: .*emove it and run\s+again"):
        read(path)


def test_responses_are_written_alike_byte_for_byte(tmp_path: Path) -> None:
    for number in range(3):
        write_responses(tmp_path / f"{number}.nc")
    assert len({path.read_bytes() for path in tmp_path.glob("*.nc")}) == 1


def test_activations_are_written_alike_byte_for_byte(tmp_path: Path) -> None:
    """safetensors' own writer puts the metadata in another order each time."""
    for number in range(8):
        write_activations(LAYERS, IDS, tmp_path / f"{number}.safetensors", {"model": "m"})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
