"""How large a study's models are, and what their jobs ask a cluster for (docs/scaling.md)."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from brainalign.datasets.own_paths import named_paths
from brainalign.datasets.settings import Own, Source
from brainalign.models.settings import Delta, Fetched
from brainalign.study.models import Models, parent

# A fetched model whose size is neither declared nor in its name: with torch, 8 GB in float32.
UNKNOWN_PARAMETERS = 1e9
TRAINING_BYTES = 16  # of a parameter: float32 weight, gradient and AdamW's two moments
GPU_FROM = 1e8  # parameters above which a cluster is asked for a GPU (docs/scaling.md)
# Bytes of memory for a byte of the user's scans on disk. Values inside the atlas, at most half of a
# volume, are float32 and held four times while they are joined and checked. In a packed file of
# 16-bit noise, they are 2.7 times as large as the file.
SCAN_BYTES, PACKED_SCAN_BYTES = 4, 10
LOADING_MB = 12000  # of the host's memory while weights go to a GPU, tensor by tensor
SHARD_BYTES = 40e9  # that one GPU holds of a model sharded over several
# Minutes of a job that reads, and more for every 1e9 parameters: on a GPU, and without one.
READING_MINUTES = {
    "activations": ((5, 0.5), (30, 10)),
    "surprisal": ((15, 1), (90, 20)),
    "endless surprisal": ((15, 10), (240, 20)),  # beyond the window a forward pass per word
    "layer surprisal": ((15, 5), (180, 60)),  # the head at every layer
    "next_word_loss": ((5, 0.5), (30, 10)),
    "capability": ((30, 2), (90, 20)),
}
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([mb])(?![a-z0-9])", re.IGNORECASE)


def preparing_memory_mb(source: Source, attempt: int) -> int:
    """Memory (MB) of the job that prepares a dataset: the source's, and more for the user's scans
    or surfaces, by the sizes of those files that are there.

    All subjects are held where targets are voxels or vertices, else one after the other.
    """
    scans = 0.0
    if isinstance(source, Own) and source.images:
        subjects = [sum(map(_bytes_held, named_paths(files))) for files in source.images.values()]
        scans = sum(subjects) if source.voxels else max(subjects)
    return math.ceil(source.memory + scans / 1e6) * attempt


def _bytes_held(scan: str) -> int:
    path = Path(scan)
    size = path.stat().st_size if path.is_file() else 0
    return size * (PACKED_SCAN_BYTES if path.suffix == ".gz" else SCAN_BYTES)


def parameter_count(name: str, models: Models) -> float:
    """Parameters of a model before it is there: declared, its parent's, read from the names in its
    source (`SmolLM2-135M`: 135e6), else `UNKNOWN_PARAMETERS`; 0 for baselines and models that are
    pre-trained here, which are small."""
    model = models[name]
    if model.parameters is not None:
        return model.parameters
    if parent(model) in models:
        return parameter_count(str(parent(model)), models)
    if not isinstance(model.source, Fetched):
        return 0.0
    return max(_sizes_of_names(name, models), default=UNKNOWN_PARAMETERS)


def size_is_known(name: str, models: Models) -> bool:
    """Whether the entry of a fetched model declares its size, or a name in its source has it."""
    return models[name].parameters is not None or bool(_sizes_of_names(name, models))


def _sizes_of_names(name: str, models: Models) -> list[float]:
    source = models[name].source
    assert isinstance(source, Fetched)
    return [size for text in (name, *_names(source)) for size in named_sizes(text)]


def named_sizes(text: str) -> list[float]:
    """Parameter counts in a model's name: `pythia-410m`, `Qwen2.5-0.5B-Instruct`, `8x7b`."""
    units = {"m": 1e6, "b": 1e9}
    return [
        int(copies or 1) * float(number) * units[unit.lower()]
        for copies, number, unit in _SIZE.findall(text)
    ]


def _names(source: Fetched) -> Iterator[str]:
    if isinstance(source, Delta):
        yield from _names(source.base)
        yield from _names(source.delta)
    for key in ("id", "path", "name", "file"):
        if text := getattr(source, key, None):
            yield str(text)


def weight_bytes(name: str, models: Models) -> float:
    """Bytes of a model's weights in the dtype that it is loaded in (its parent's, if made here)."""
    model = models[name]
    while model.dtype is None and parent(model) in models:
        model = models[str(parent(model))]
    return parameter_count(name, models) * (4 if model.dtype in (None, "float32") else 2)


def memory_mb(name: str, models: Models, attempt: int = 1, *, on_gpu: bool = False) -> int:
    """Memory of a job that reads with a model: 2 GB per attempt for torch and what is read, the
    weights, and half as much again per attempt. On one GPU, where the weights pass through the
    host's memory only, the first attempt takes `LOADING_MB` at most."""
    held = int(2000 * attempt + weight_bytes(name, models) * (1 + 0.5 * attempt) / 1e6)
    return min(held, LOADING_MB) if on_gpu and attempt == 1 else held


def gpu_memory_mb(name: str, models: Models, device: str) -> int:
    """Memory of each GPU that a job that reads with a model asks for: its part of the weights, an
    eighth as much for batches, which shrink to what is free, and 2 GB for CUDA; 0 without GPU."""
    n = gpus(name, models, device)
    return int(2000 + 1.125 * weight_bytes(name, models) / n / 1e6) if n else 0


def training_memory_mb(name: str, models: Models, attempt: int = 1) -> int:
    """Memory of a job that tunes a model: `TRAINING_BYTES` a parameter in place of the weights."""
    held = TRAINING_BYTES * parameter_count(name, models)
    return int(2000 * attempt + held * (1 + 0.5 * attempt) / 1e6)


def gpus(name: str, models: Models, device: str) -> int:
    """GPUs that a job with a model asks a cluster for: none on `cpu` or up to `GPU_FROM`
    parameters, else one; if `sharded`, as many as hold the weights."""
    if device == "cpu" or parameter_count(name, models) <= GPU_FROM:
        return 0
    return math.ceil(weight_bytes(name, models) / SHARD_BYTES) if device == "sharded" else 1


def training_gpus(name: str, models: Models) -> int:
    """GPUs that a job that tunes a model asks a cluster for, whatever the study's `device`: none up
    to `GPU_FROM` parameters, else as many as hold what training holds."""
    n_parameters = parameter_count(name, models)
    if n_parameters <= GPU_FROM:
        return 0
    return math.ceil(TRAINING_BYTES * n_parameters / SHARD_BYTES)


def reading_minutes(kind: str, name: str, models: Models, device: str, attempt: int) -> int:
    """Run time that a job that reads with a model asks a cluster for: `READING_MINUTES` of its
    kind, as many again at each attempt."""
    on_gpu, without = READING_MINUTES[kind]
    minutes, per_billion = on_gpu if gpus(name, models, device) else without
    return int(attempt * (minutes + per_billion * parameter_count(name, models) / 1e9))
