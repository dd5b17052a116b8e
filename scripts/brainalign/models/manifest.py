"""The manifest of a model: what is loaded, measured without loading it."""

import json
import re
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brainalign.errors import REMAKE, InputError
from brainalign.formats.atomic import sha256_of
from brainalign.formats.tables import read_json
from brainalign.models import architectures

DTYPES = ("float32", "bfloat16", "float16")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
# Config, tokenizer, chat template, index of the shards.
TEXT_SUFFIXES = frozenset({".json", ".txt", ".model", ".jinja"})
KEYS = (
    "name", "source", "folder", "resolved_revision", "files", "architecture", "model_class",
    "attention", "tensors", "not_read", "layers", "d_model", "parameters", "vocabulary",
    "max_context", "dtype", "trust_remote_code", "simulated",
)  # fmt: skip
MADE_HERE = ("pretrain", "tune", "untrained")  # source types
_NOT_LOADED = {
    "quantization_config": "quantised weights are not loaded; give the weights before quantisation",
    "transformers_weights": "weights are in model.safetensors, or in shards with their index",
}
_CHUNK = 1 << 22  # bytes compared at a time
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


def describe(
    folder: Path,
    name: str,
    source: dict[str, Any],
    *,
    simulated: bool,
    resolved_revision: str | None = None,
    max_context: int | None = None,
    dtype: str = "float32",
    trust_remote_code: bool = False,
    **extra: Any,
) -> dict[str, Any]:
    """Describe a checkpoint folder (config.json, tokenizer, safetensors); see docs/architecture.md.

    Everything is read from config.json and from the headers of the weight files: the model is
    not loaded, and torch is not imported.

    Parameters
    ----------
    folder : the checkpoint folder; written into the manifest as given.
    name, source : the model's name and source in the study.
    simulated : whether the model was trained on the simulated world.
    resolved_revision : the commit that a hub revision stands for.
    max_context : the most tokens in one sequence; default as the config says.
    dtype : what the model is loaded in, one of `DTYPES`.
    trust_remote_code : whether code of the checkpoint may run.
    extra : further keys (`trained_samples`, `training`, …).

    Raises
    ------
    InputError : a file is missing, truncated or pickled; the architecture is unknown; there is no
        tokenizer, or it has more tokens than the model; `max_context` is more than the model has;
        the weights are quantised, or an adapter lies beside them.
    """
    folder = Path(folder)
    check_no_adapter(folder)
    config_path = folder / "config.json"
    config = read_json(config_path)
    where = str(config_path)
    for key, remedy in _NOT_LOADED.items():
        if config.get(key):
            raise InputError(f"{where}: {key} is {json.dumps(config[key])}: {remedy}")
    family = architectures.family(config, where)
    if dtype not in DTYPES:
        raise InputError(f"model {name}: dtype {dtype!r}, expected one of {', '.join(DTYPES)}")
    vocabulary = architectures.integer(config, "vocab_size", where)
    weights = weight_files(folder)
    _check_tokenizer(folder, vocabulary)
    names = [name for path in weights for name in safetensors_header(path)]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise InputError(f"{folder}: tensor {twice[0]} is in two shards")
    read = [name for name in names if architectures.is_read(name, config)]
    return {
        "name": name,
        "source": source,
        "folder": str(folder),
        "resolved_revision": resolved_revision,
        "files": {path.name: sha256_of(path) for path in _loaded_files(folder, weights)},
        "architecture": family.architecture,
        "model_class": (config.get("architectures") or [None])[0],
        "attention": architectures.attention(config, where),
        "tensors": len(read),
        "not_read": sorted({re.sub(r"\d+", "N", name) for name in set(names) - set(read)}),
        "layers": list(architectures.layer_names(config, where)),
        "d_model": architectures.width(config, where),
        "parameters": count_parameters(weights, config),
        "vocabulary": vocabulary,
        "max_context": _context(config, max_context, name, where),
        "dtype": dtype,
        "trust_remote_code": trust_remote_code,
        "simulated": simulated,
        **extra,
    }


def check(manifest: Mapping[str, Any]) -> None:
    """Raise an InputError unless the manifest is whole and its files are where it says."""
    name = manifest.get("name", "?")
    missing = [key for key in KEYS if key not in manifest]
    if missing:
        raise InputError(f"manifest of model {name}: key {', '.join(missing)} is missing")
    if manifest["dtype"] not in DTYPES:
        raise InputError(
            f"manifest of model {name}: dtype {manifest['dtype']!r}, expected one of {DTYPES}"
        )
    folder = Path(manifest["folder"])
    check_no_adapter(folder)
    gone = [file for file in manifest["files"] if not (folder / file).is_file()]
    if gone:
        raise InputError(f"manifest of model {name}: {folder / gone[0]} does not exist")


def check_files(manifest: Mapping[str, Any]) -> None:
    """Raise an InputError if a checkpoint that was trained or drawn here is not what was written.

    Other weights are checked when they are fetched: they are too large to hash in every job.
    """
    if manifest["source"]["type"] not in MADE_HERE:
        return
    folder = Path(manifest["folder"])
    for file, digest in manifest["files"].items():
        if sha256_of(folder / file) != digest:
            raise InputError(
                f"{folder}: {file} is damaged (its SHA-256 is not the manifest's); {REMAKE}"
            )


def check_no_adapter(folder: Path) -> None:
    """Raise an InputError if an adapter lies in a checkpoint folder: which model is it?"""
    if (folder / "adapter_config.json").exists():
        raise InputError(
            f"{folder}: adapter_config.json lies beside the weights: is the model with or without "
            "the adapter? For the weights alone, use a folder without the adapter's files; for "
            "both, merge the adapter into the weights (docs/adding-a-model.md)"
        )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, shards in order.

    Raises
    ------
    InputError : there are none, only pickled weights, only an adapter, a shard of the index is
        missing or holds other tensors than the index says, or there is one file and an index.
    """
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if index.exists():
        weight_map = read_json(index)["weight_map"]
        shards = sorted(set(weight_map.values()))
        gone = [shard for shard in shards if not (folder / shard).is_file()]
        if gone:
            raise InputError(f"{folder}: shard {gone[0]}, named in {index.name}, is missing")
        if single.is_file() and shards != [single.name]:
            raise InputError(
                f"{folder}: {single.name} and {index.name} are two checkpoints: remove one"
            )
        for shard in shards:
            named = {name for name, file in weight_map.items() if file == shard}
            other = sorted(named ^ safetensors_header(folder / shard).keys())
            if other:
                raise InputError(
                    f"{folder}: {shard} and {index.name} do not agree about tensor {other[0]}"
                )
        return [folder / shard for shard in shards]
    if single.is_file():
        return [single]
    if (folder / "adapter_model.safetensors").exists():
        raise InputError(
            f"{folder}: holds an adapter alone, and no model: merge it into the weights of its "
            "base (docs/adding-a-model.md)"
        )
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        raise InputError(pickled_only(str(folder), pickled[0]))
    raise InputError(f"{folder}: no model.safetensors and no {index.name}")


def pickled_only(where: str, files: str) -> str:
    """The error text for a checkpoint without safetensors."""
    return (
        f"{where}: the weights are only there as {files}, which runs code when it is read; only "
        "safetensors are loaded. Give the revision of a safetensors pull request "
        "(https://huggingface.co/spaces/safetensors/convert makes one: revision refs/pr/N), or "
        "convert a local copy (docs/adding-a-model.md) and use a source of type folder"
    )


def count_parameters(weights: list[Path], config: Mapping[str, Any]) -> int:
    """The number of parameters in `weights`: buffers left out, tied matrices counted once.

    Two matrices [vocabulary, ·] of one shape with the same bytes are tied (or might as well be).
    """
    vocabulary = config["vocab_size"]
    total = 0
    matrices: list[tuple[Path, dict[str, Any]]] = []
    for path in weights:
        for name, entry in safetensors_header(path).items():
            if not architectures.is_parameter(name, config):
                continue
            shape = entry["shape"]
            if len(shape) == 2 and shape[0] == vocabulary:
                if any(_same_bytes(path, entry, *other) for other in matrices):
                    continue
                matrices.append((path, entry))
            size = 1
            for n in shape:
                size *= n
            total += size
    return total


def safetensors_header(path: Path) -> dict[str, dict[str, Any]]:
    """Tensor name → dtype, shape, and byte offsets counted from the file's start.

    The format: 8 bytes little-endian header length, the header as JSON, the data
    (https://github.com/huggingface/safetensors, "Format").

    Raises
    ------
    InputError : not a safetensors file, or shorter than its header says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0] if size >= 8 else size
        if length > size - 8:
            raise InputError(
                f"{path}: not a safetensors file, or truncated ({size} bytes); {REMAKE}"
            )
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise InputError(f"{path}: not a safetensors file ({error}); {REMAKE}") from error
    header.pop("__metadata__", None)
    for entry in header.values():
        entry["data_offsets"] = [8 + length + offset for offset in entry["data_offsets"]]
    end = max((entry["data_offsets"][1] for entry in header.values()), default=8 + length)
    if end != size:
        raise InputError(
            f"{path}: {size} bytes, but its header tells of {end}: truncated; {REMAKE}"
        )
    return header


def _same_bytes(
    path: Path, entry: Mapping[str, Any], other_path: Path, other: Mapping[str, Any]
) -> bool:
    if (entry["shape"], entry["dtype"]) != (other["shape"], other["dtype"]):
        return False
    begin, end = entry["data_offsets"]
    with path.open("rb") as one, other_path.open("rb") as two:
        one.seek(begin)
        two.seek(other["data_offsets"][0])
        for at in range(begin, end, _CHUNK):
            size = min(_CHUNK, end - at)
            if one.read(size) != two.read(size):
                return False
    return True


def _loaded_files(folder: Path, weights: list[Path]) -> list[Path]:
    others = [path for path in folder.iterdir() if path.is_file() and path.suffix in TEXT_SUFFIXES]
    return sorted({*weights, *others})


def _check_tokenizer(folder: Path, vocabulary: int) -> None:
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise InputError(
            f"{folder}: no tokenizer (expected tokenizer.json, or one of "
            f"{', '.join(TOKENIZER_FILES[1:])})"
        )
    path = folder / "tokenizer.json"
    if not path.is_file():
        return  # built from the other files, and checked, when it is loaded
    tokenizer = read_json(path)
    pieces = tokenizer.get("model", {}).get("vocab", {})
    ids = list(pieces.values()) if isinstance(pieces, dict) else range(len(pieces))
    # A special token stands for no text: one without an embedding (Gemma 3's of images) is not fed.
    added = tokenizer.get("added_tokens", [])
    special = {token["id"] for token in added if token.get("special")}
    ids = [k for k in {*ids, *(token["id"] for token in added)} if k not in special]
    if max(ids, default=-1) >= vocabulary:
        raise InputError(
            f"{path}: token id {max(ids)}, but the model has only {vocabulary} embeddings: "
            "tokenizer and model do not belong together"
        )


def _context(config: Mapping[str, Any], wanted: int | None, name: str, where: str) -> int:
    if wanted is not None and wanted < 1:
        raise InputError(f"model {name}: max_context {wanted}, expected a positive number")
    fixed = architectures.family(config, where).fixed_positions
    limit = architectures.context(config, where) if fixed or wanted is None else wanted
    if wanted is not None and wanted > limit:
        raise InputError(
            f"model {name}: max_context {wanted}, but it has only {limit} positions ({where})"
        )
    limit = limit if wanted is None else wanted
    steady = architectures.steady_context(config)
    if steady is not None and limit > steady:
        raise InputError(
            f"model {name}: beyond {steady} tokens its positions depend on the length of what it "
            f"reads ({where}, rope_type); give max_context: {steady}"
        )
    return limit
