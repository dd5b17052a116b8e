"""Activation files: one float32 tensor [stimulus, unit] per layer, in one safetensors file."""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open

from brainalign.errors import REMAKE, InputError


@dataclass(frozen=True)
class ActivationFile:
    """What an activation file says of itself; `layer` reads one tensor at a time."""

    path: Path
    layers: tuple[str, ...]
    stimulus_ids: tuple[str, ...]
    checksums: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def width(self, name: str) -> int:
        """The number of units of one layer."""
        with safe_open(self.path, framework="numpy") as file:
            return int(file.get_slice(name).get_shape()[1])

    def layer(self, name: str) -> np.ndarray:
        """The activations of one layer, float32 [stimulus, unit].

        Raises
        ------
        InputError : they are not what was written.
        """
        with safe_open(self.path, framework="numpy") as file:
            values = file.get_tensor(name)
        if _crc32(values) != self.checksums[name]:
            raise InputError(
                f"{self.path}: layer {name} is damaged (its checksum is not that of its values); "
                f"{REMAKE}"
            )
        return values


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
    widths = {name: values.shape[1] for name, values in layers.items()}
    write_layers(layers.items(), widths, stimulus_ids, path, metadata)


def write_layers(
    layers: Iterable[tuple[str, np.ndarray]],
    widths: Mapping[str, int],
    stimulus_ids: Sequence[str],
    path: str | Path,
    metadata: Mapping[str, Any],
) -> None:
    """As `write_activations`, of layers float32 [stimulus, unit] that come one after the other:
    none is held.

    widths : layer name → its units, in the order of the layers.
    """
    # Not by safetensors' save_file: the order of its metadata differs from run to run.
    with ActivationWriter(path, list(widths), stimulus_ids, metadata, key="") as writer:
        writer.write_layers(layers, widths)
        writer.finish()


class ActivationWriter:
    """Writes an activation file some rows at a time; a killed run is taken up where it stopped.

    Until `finish` the rows lie beside `path`, in `.NAME.partial`, and those that are whole are
    listed in `.NAME.rows`. A writer made with the same arguments finds them again: `done`. Use it
    as a context manager, which closes its files.

    Parameters
    ----------
    path : where the activation file goes.
    layers : layer names, in the model's order.
    stimulus_ids : one per row.
    metadata : JSON-able facts.
    key : what the values depend on (hashes of model, stimuli, settings, code): rows of a run with
        another key are thrown away.
    """

    def __init__(
        self,
        path: str | Path,
        layers: Sequence[str],
        stimulus_ids: Sequence[str],
        metadata: Mapping[str, Any],
        key: str,
    ) -> None:
        self._path = Path(path)
        self._partial = self._path.with_name(f".{self._path.name}.partial")
        self._rows = self._path.with_name(f".{self._path.name}.rows")
        self._layers = tuple(layers)
        self._ids = tuple(stimulus_ids)
        self._header = {**_header(layers, stimulus_ids, metadata), "key": key}
        self._extents: dict[str, tuple[int, int]] = {}  # layer → first byte, bytes of a row
        self._file: BufferedRandom | None = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.done = frozenset(self._resume())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def write(self, rows: Sequence[int], layers: Mapping[str, np.ndarray]) -> None:
        """Write rows of all layers.

        Parameters
        ----------
        rows : row numbers, each written once.
        layers : layer name → float32 [len(rows), unit].

        Raises
        ------
        InputError : NaN or Inf in a layer, or the disk is full; the rows before stay written.
        """
        order = np.argsort(rows)
        sorted_rows = np.asarray(rows)[order]
        for name in self._layers:
            _check_finite(layers[name], name, [self._ids[row] for row in rows], self._path)
        try:
            self._write(order, sorted_rows, layers)
            with self._rows.open("a", encoding="utf-8") as log:
                log.write(" ".join(str(row) for row in rows) + "\n")
        except OSError as error:
            with suppress(OSError):  # what is still buffered cannot be written either
                self.__exit__()
            raise InputError(
                f"{self._path}: cannot be written ({error.strerror}); what was read before is kept"
            ) from error
        self.done |= set(rows)

    def write_layers(
        self, layers: Iterable[tuple[str, np.ndarray]], widths: Mapping[str, int]
    ) -> None:
        """Write all rows, layer by layer.

        Parameters
        ----------
        layers : (layer name, float32 [row, unit]). widths : layer name → its units.

        Raises
        ------
        InputError : another number of rows, NaN or Inf in a layer, or the disk is full.
        """
        for name, values in layers:
            if len(values) != len(self._ids):
                raise InputError(
                    f"{self._path}: layer {name} has {len(values)} rows, not {len(self._ids)}"
                )
            _check_finite(values, name, self._ids, self._path)
            try:
                self._file = self._file or self._create(widths)
                self._file.seek(self._extents[name][0])
                self._file.write(np.ascontiguousarray(values, dtype=np.float32).data)
            except OSError as error:
                raise InputError(f"{self._path}: cannot be written ({error.strerror})") from error
        self.done = frozenset(range(len(self._ids)))

    def _write(
        self, order: np.ndarray, sorted_rows: np.ndarray, layers: Mapping[str, np.ndarray]
    ) -> None:
        if self._file is None:
            self._file = self._create({name: layers[name].shape[1] for name in self._layers})
        starts = np.flatnonzero(np.diff(sorted_rows, prepend=-2) != 1)  # of runs without a gap
        for name in self._layers:
            values = np.ascontiguousarray(layers[name][order], dtype=np.float32)
            first, size = self._extents[name]
            for run in np.split(np.arange(len(order)), starts[1:]):
                self._file.seek(first + int(sorted_rows[run[0]]) * size)
                self._file.write(values[run].tobytes())
        self._file.flush()

    def finish(self) -> None:
        """Give the complete file its name.

        Raises
        ------
        InputError : rows are missing.
        """
        missing = set(range(len(self._ids))) - self.done
        if missing:
            raise InputError(f"{self._path}: {len(missing)} rows are not written")
        self.__exit__()
        self._seal()
        self._partial.replace(self._path)
        self._rows.unlink(missing_ok=True)

    def _create(self, widths: Mapping[str, int]) -> BufferedRandom:
        header: dict[str, Any] = {"__metadata__": self._header}
        size = 0
        for name, width in widths.items():
            end = size + 4 * width * len(self._ids)
            shape = [len(self._ids), width]
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [size, end]}
            size = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        file = self._partial.open("w+b")
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + size)
        self._locate(header, 8 + len(text))
        return file

    def _seal(self) -> None:
        """Put each layer's checksum into the header, over the zeros that were written for it."""
        content = np.memmap(self._partial, mode="r")
        sums = {
            name: _crc32(content[first : first + size * len(self._ids)])
            for name, (first, size) in self._extents.items()
        }
        with self._partial.open("r+b") as file:
            header, length = _read_header(file)
            header["__metadata__"]["crc32"] = json.dumps(sums)
            file.seek(8)
            file.write(json.dumps(header).encode().ljust(length))

    def _resume(self) -> set[int]:
        """Open what a killed run of the same key has left, or clear it away."""
        try:
            with self._partial.open("rb") as file:
                header, length = _read_header(file)
            # The last line may be half a one.
            lines = self._rows.read_text(encoding="utf-8").split("\n")[:-1]
            if header["__metadata__"] != self._header:
                raise ValueError("another run's")
        except (OSError, ValueError, KeyError, struct.error):
            self._partial.unlink(missing_ok=True)
            self._rows.unlink(missing_ok=True)
            return set()
        # Half a line would grow on.
        self._rows.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._locate(header, 8 + length)
        self._file = self._partial.open("r+b")
        return {int(row) for line in lines for row in line.split()}

    def _locate(self, header: Mapping[str, Any], data: int) -> None:
        for name in self._layers:
            entry = header[name]
            self._extents[name] = (data + entry["data_offsets"][0], 4 * entry["shape"][1])


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
        raise InputError(f"{path}: not a whole safetensors file ({error}); {REMAKE}") from error
    if missing := {"layers", "stimulus_ids", "crc32"} - header.keys():
        raise InputError(
            f"{path}: not an activation file (its header has no {', '.join(sorted(missing))}); "
            f"{REMAKE}"
        )
    layers = tuple(json.loads(header["layers"]))
    if set(layers) != names:
        raise InputError(
            f"{path}: header names layers {sorted(set(layers) ^ names)} that differ; {REMAKE}"
        )
    return ActivationFile(
        path=path,
        layers=layers,
        stimulus_ids=tuple(json.loads(header["stimulus_ids"])),
        checksums=json.loads(header["crc32"]),
        metadata=json.loads(header.get("metadata", "{}")),
    )


def _read_header(file: IO[bytes]) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file that is read from its start, and its length in bytes."""
    (length,) = struct.unpack("<Q", file.read(8))
    return json.loads(file.read(length)), length


def _crc32(values: np.ndarray) -> str:
    """CRC-32 of an array's bytes, as 8 hexadecimal digits."""
    return f"{zlib.crc32(values.data):08x}"


def _header(
    layers: Sequence[str] | Mapping[str, Any],
    stimulus_ids: Sequence[str],
    metadata: Mapping[str, Any],
) -> dict[str, str]:
    return {
        "layers": json.dumps(list(layers)),
        "stimulus_ids": json.dumps(list(stimulus_ids)),
        "crc32": json.dumps(dict.fromkeys(layers, "0" * 8)),
        "metadata": json.dumps(dict(metadata), sort_keys=True),
    }


def _check_finite(
    values: np.ndarray, layer: str, stimulus_ids: Sequence[str], path: str | Path
) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise InputError(
            f"{path}: layer {layer} has non-finite values in {bad.size} rows, "
            f"first {stimulus_ids[bad[0]]}"
        )
