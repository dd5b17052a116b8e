"""Whether a loaded network has the weights of its files: no more, no fewer, no others."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from brainalign.errors import InputError
from brainalign.formats.tables import read_json
from brainalign.models.architectures import is_read
from brainalign.models.manifest import safetensors_header, weight_files

_RENAMED = (
    (r"LayerNorm\.gamma$", "LayerNorm.weight"),  # BERT, from TensorFlow
    (r"LayerNorm\.beta$", "LayerNorm.bias"),
    (r"^embed_out\.", "lm_head."),  # GPT-NeoX
    (r"\.block_sparse_moe\.gate\.", ".mlp.gate."),  # Mixtral
)
_EXPERT = re.compile(r"(.+)\.block_sparse_moe\.experts\.(\d+)\.w([123])\.weight")


class Part(NamedTuple):
    """The tensor of a network that a tensor of a file is, or is a part of.

    transformers holds Mixtral's experts as tensors [expert, ·, ·]: `down_proj` of all `w2`, and
    `gate_up_proj`, whose upper halves are `w1` and lower ones `w3`.
    """

    name: str
    expert: int | None = None
    half: int | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """The part as a view [...] of the network's tensor [...]."""
        if self.expert is None:
            return tensor
        return tensor[self.expert] if self.half is None else tensor[self.expert].chunk(2)[self.half]


def check_weights(model: Any, folder: Path) -> None:
    """Compare a loaded network with the safetensors files of its folder, name by name.

    Each tensor of the network must be in the files, in its shape and with its values (all of a
    vector's, three rows of others), or be one with a tensor that is, as its class and
    `tie_word_embeddings` say. Each tensor of the files must be in the network, unless such a
    model does not use it (`architectures.is_read`).

    Parameters
    ----------
    model : a transformers model; its weights may lie on any device, or be offloaded.
    folder : config.json and the safetensors files.

    Raises
    ------
    InputError : a tensor was drawn, left out, added or altered, or is tied where it must not be,
        or the other way round; a sampled value is not finite.
    """
    held: dict[str, Tensor] = model.state_dict(keep_vars=True)
    config = read_json(folder / "config.json")
    headers = {path: safetensors_header(path) for path in weight_files(folder)}
    parts: dict[str, Part] = {}
    left_out, reshaped = [], []
    for header in headers.values():
        for name, entry in header.items():
            if not is_read(name, config):
                continue
            part = _part(name, model.base_model_prefix, held)
            if part is None:
                left_out.append(name)
                continue
            parts[name] = part
            shape = list(part.of(held[part.name]).shape)
            if shape != entry["shape"]:
                reshaped.append(f"{name} {entry['shape']}, in the model {shape}")
    _refuse(folder, left_out, "are in the files, but not in a model of this config.json")
    _refuse(folder, reshaped, "have another shape in a model of this config.json")
    _check_ties(model, held, {part.name for part in parts.values()}, config, folder)
    values: Counter[str] = Counter()
    for path, header in headers.items():
        with safe_open(path, framework="pt") as tensors:
            for name in header.keys() & parts.keys():
                part = parts[name]
                values[part.name] += part.of(held[part.name]).numel()
                present = part.of(_value(model, part.name, held))
                _check_values(present, tensors.get_slice(name), f"{path}: tensor {name}")
    partial = [name for name in values if values[name] != held[name].numel()]
    _refuse(folder, partial, "are not whole in the checkpoint: the rest would be random")


def _refuse(folder: Path, names: Iterable[str], what: str) -> None:
    """Raise an InputError if there are such names."""
    listed = sorted(names)
    if listed:
        raise InputError(f"{folder}: {len(listed)} weights {what}, first {listed[0]}")


def _part(name: str, prefix: str, held: Mapping[str, Tensor]) -> Part | None:
    """What a file's name stands for, which may be with or without the prefix of the body."""
    expert = _EXPERT.fullmatch(name)
    if expert is None:
        for former, now in _RENAMED:
            name = re.sub(former, now, name)
        part = Part(name)
    else:
        block, number, matrix = expert.groups()
        merged = "down_proj" if matrix == "2" else "gate_up_proj"
        half = {"1": 0, "2": None, "3": 1}[matrix]
        part = Part(f"{block}.mlp.experts.{merged}", int(number), half)
    for candidate in (part.name, f"{prefix}.{part.name}", part.name.removeprefix(f"{prefix}.")):
        if candidate in held:
            fits = part.expert is None or part.expert < len(held[candidate])
            return part._replace(name=candidate) if fits else None
    return None


def _check_ties(
    model: Any,
    held: Mapping[str, Tensor],
    in_files: set[str],
    config: Mapping[str, Any],
    folder: Path,
) -> None:
    """Compare which tensors are one with what the class and the config say."""
    group = {name: name for name in held}  # the same for tensors that the class may tie
    group |= {name: first for name, first in (model._tied_weights_keys or {}).items()}
    one: dict[Any, set[str]] = defaultdict(set)
    for name, tensor in held.items():
        one[group[name] if tensor.is_meta else id(tensor)].add(name)  # offloaded ones are apart
    output = model.get_output_embeddings()
    heads = {
        f"{name}.{kind}"
        for name, module in model.named_modules(remove_duplicate=False)
        if module is output
        for kind in ("weight", "bias")
    }
    untied = config.get("tie_word_embeddings") is False
    # transformers 5 keeps in this key whether a T5 has a separate head, and ties in another.
    apart = untied or config.get("scale_decoder_outputs") is False
    _refuse(
        folder,
        (name for names in one.values() if not names & in_files for name in names),
        "are not in the checkpoint: they would be random",
    )
    for names in one.values():
        if len({group[name] for name in names}) > 1:
            _refuse(folder, names, "are one in the model, which its class does not know")
        inner = names - heads
        if inner and not inner & in_files and apart:
            _refuse(
                folder,
                inner,
                "are not in the files, and the head's, which stand in for them, are others: store "
                f"the embeddings as {group[min(inner)]}",
            )
        if untied and inner and names & heads and not names & heads & in_files:
            _refuse(
                folder,
                names & heads,
                "are not in the files, and tie_word_embeddings in config.json is false",
            )
    for first in {first for name, first in group.items() if name != first}:
        matrices = [names for names in one.values() if any(group[name] == first for name in names)]
        if len([names for names in matrices if names - heads]) > 1:
            _refuse(
                folder,
                set.union(*matrices) - heads,
                "are one matrix in this architecture, and several in the files: store the "
                f"embeddings as {first}",
            )
        if len(matrices) > 1 and config.get("tie_word_embeddings") is True and not apart:
            _refuse(
                folder,
                set.union(*matrices) & heads,
                "are not the embeddings, though tie_word_embeddings is true: set it to false in "
                "config.json if the files are right",
            )


def _value(model: Any, name: str, held: Mapping[str, Tensor]) -> Tensor:
    """A tensor of a network, from where it is kept if it is offloaded."""
    if not held[name].is_meta:
        return held[name].detach()
    module, _, leaf = name.rpartition(".")
    return model.get_submodule(module)._hf_hook.weights_map[leaf]


def _check_values(tensor: Tensor, stored: Any, where: str) -> None:
    """Compare a tensor with a slice of a safetensors file, in the dtype of the tensor."""
    if tensor.ndim > 1:
        rows = sorted({0, len(tensor) // 2, len(tensor) - 1})
        expected = torch.stack([stored[row] for row in rows])
        tensor = tensor[torch.tensor(rows, device=tensor.device)]
    else:
        expected = stored[...]
    if not torch.isfinite(expected).all():
        raise InputError(f"{where} has values that are NaN or infinite")
    tensor = tensor.cpu()
    if not torch.equal(tensor, expected.to(tensor.dtype)):
        raise InputError(f"{where}: the model has other values than the file")
