"""From a GGUF file to a checkpoint folder: nothing left out, nothing drawn."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import init_empty_weights
from gguf import GGUFReader, dequantize
from huggingface_hub import save_torch_state_dict

from brainalign.errors import InputError
from brainalign.formats.atomic import fresh_folder, sha256_of
from brainalign.models.gguf_config import SAFETENSORS, config_of
from brainalign.models.gguf_tokenizer import tokenizer_of
from brainalign.models.loading import AutoConfig, AutoModelForCausalLM, AutoTokenizer

_DIVISORS = "rope_freqs.weight"
_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_IN_BLOCKS = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip
_AROUND = _IN_BLOCKS | {  # Gemma 2 and 3 have norms after each part too
    "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}  # fmt: skip


@dataclass(frozen=True)
class GGUF:
    """All parts of a file: the first one's fields by name, the tensors of all by name."""

    path: Path
    parts: list[Path]
    fields: Mapping[str, Any]
    tensors: Mapping[str, Any]

    def values(self, name: str) -> np.ndarray:
        """A tensor as float32 [out, in].

        Raises
        ------
        InputError : a quantisation that is not known.
        """
        tensor = self.tensors[name]
        try:
            return np.array(dequantize(tensor.data, tensor.tensor_type), np.float32)
        except NotImplementedError as error:
            kind = tensor.tensor_type.name
            raise InputError(
                f"{self.path}: tensor {name} is quantised as {kind}, which is not known here: "
                f"{SAFETENSORS}"
            ) from error


def open_gguf(path: Path) -> GGUF:
    """Read the headers of a file and of its other parts, if llama.cpp has split it.

    Raises
    ------
    InputError : a file is damaged, is a later part, or another part is missing or of another file.
    """
    first = _reader(path)
    fields = {name: field.contents() for name, field in first.fields.items()}
    count = fields.get("split.count", 0)
    parts, readers = [path], [first]
    if count > 1:
        if fields.get("split.no") != 0:
            raise InputError(f"{path}: a later part of a split GGUF file: give the first one")
        stem = re.fullmatch(r"(.+)-00001-of-(\d{5})\.gguf", path.name)
        if stem is None or int(stem[2]) != count:
            raise InputError(
                f"{path}: one of {count} parts, its name must end in -00001-of-{count:05}.gguf"
            )
        parts = [
            path.with_name(f"{stem[1]}-{k:05}-of-{count:05}.gguf") for k in range(1, count + 1)
        ]
        for k, part in enumerate(parts[1:], 1):
            if not part.is_file():
                raise InputError(f"{path}: its part {part.name} is missing")
            reader = _reader(part)
            part_of = {name: reader.fields[name].contents() for name in ("split.no", "split.count")}
            if part_of != {"split.no": k, "split.count": count}:
                raise InputError(
                    f"{part}: its fields do not say that it is part {k + 1} of {count}"
                )
            readers.append(reader)
    tensors: dict[str, Any] = {}
    for part, reader in zip(parts, readers, strict=True):
        for tensor in reader.tensors:
            if tensor.name in tensors:
                raise InputError(f"{part}: tensor {tensor.name} is there twice")
            tensors[tensor.name] = tensor
    if fields.get("split.tensors.count", len(tensors)) != len(tensors):
        expected = fields["split.tensors.count"]
        raise InputError(f"{path}: {len(tensors)} tensors in its parts, expected {expected}")
    return GGUF(path, parts, fields, tensors)


def convert_gguf(
    path: Path, folder: Path, dtype: str = "float32", tokenizer: Path | None = None
) -> dict[str, Any]:
    """Write the model and the tokenizer of a GGUF file as a checkpoint folder.

    Quantised weights are the numbers that the file stands for, in `dtype`.

    Parameters
    ----------
    path : the GGUF file, or the first part of a split one.
    folder : where the checkpoint goes.
    dtype : `float32`, `bfloat16` or `float16`.
    tokenizer : folder of a tokenizer to use in place of the file's own.

    Returns
    -------
    What the manifest says of the conversion: `parts` (name → sha256), `quantisation` (type →
    tensors), `rotations` (rope_parameters), `begins_with` (the tokens of an empty text).

    Raises
    ------
    InputError : the file is damaged or has an unknown part: an architecture, a
        field, a quantisation, a kind of tokenizer; or a tensor is missing or too many.
    """
    file = open_gguf(path)
    if "token_embd.weight" not in file.tensors:
        raise InputError(f"{path}: tensor token_embd.weight is missing")
    divisors = file.values(_DIVISORS) if _DIVISORS in file.tensors else None
    vocabulary = int(file.tensors["token_embd.weight"].shape[1])
    config = AutoConfig.for_model(
        **config_of(file.fields, vocabulary, divisors, str(path)),
        **_of_tensors(file),
        **_tokens(file.fields),
    )
    with init_empty_weights():
        empty: Any = AutoModelForCausalLM.from_config(config)
    config.architectures = [type(empty).__name__]
    config.dtype = dtype
    expected = {name: tensor.shape for name, tensor in empty.state_dict().items()}
    if config.tie_word_embeddings:
        del expected["lm_head.weight"]
    weights = {}
    for name, ours in _named(file, config.model_type):
        if ours not in expected:
            raise InputError(
                f"{path}: tensor {name} has no part in a {config.model_type}: {SAFETENSORS}"
            )
        values = _arranged(torch.from_numpy(file.values(name)), ours, config)
        if values.shape != expected[ours]:
            raise InputError(
                f"{path}: tensor {name} has shape {tuple(values.shape)}, expected "
                f"{tuple(expected[ours])}"
            )
        weights[ours] = values.to(getattr(torch, dtype)).contiguous()
    absent = sorted(expected.keys() - weights.keys())
    if absent:
        raise InputError(f"{path}: {len(absent)} tensors are not in it, first {absent[0]}'s")
    if tokenizer is None:
        words: Any = tokenizer_of(file.fields, str(path))
    else:
        words = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
    with fresh_folder(folder) as partial:
        save_torch_state_dict(weights, partial, metadata={"format": "pt"})
        config.save_pretrained(partial)
        words.save_pretrained(partial)
    kinds = [tensor.tensor_type.name for tensor in file.tensors.values()]
    return {
        "parts": {part.name: sha256_of(part) for part in file.parts},
        "quantisation": {kind: kinds.count(kind) for kind in sorted({*kinds})},
        "rotations": config.to_dict()["rope_parameters"],
        "begins_with": words("")["input_ids"],
    }


def _reader(path: Path) -> GGUFReader:
    try:
        return GGUFReader(path)
    except Exception as error:
        raise InputError(f"{path}: this GGUF file cannot be read ({error})") from error


def _of_tensors(file: GGUF) -> dict[str, Any]:
    """What a config says and only the tensors show."""
    said = {"tie_word_embeddings": "output.weight" not in file.tensors}
    if file.fields["general.architecture"] == "llama":
        said["attention_bias"] = "blk.0.attn_q.bias" in file.tensors
        said["mlp_bias"] = "blk.0.ffn_up.bias" in file.tensors
    return said


def _tokens(fields: Mapping[str, Any]) -> dict[str, Any]:
    names = {"bos": "bos", "eos": "eos", "pad": "padding"}
    return {
        f"{ours}_token_id": fields.get(f"tokenizer.ggml.{theirs}_token_id")
        for ours, theirs in names.items()
    }


def _named(file: GGUF, model_type: str) -> Iterator[tuple[str, str]]:
    """Each tensor's name in the file and in transformers (in the file again if it has none)."""
    blocks = _AROUND if model_type in ("gemma2", "gemma3_text") else _IN_BLOCKS
    for name in file.tensors:
        if name == _DIVISORS:
            continue
        stem, _, kind = name.rpartition(".")
        block = re.fullmatch(r"blk\.(\d+)\.(\w+)", stem)
        if block and block[2] in blocks:
            yield name, f"model.layers.{block[1]}.{blocks[block[2]]}.{kind}"
        else:
            yield name, f"{_NAMES.get(stem, stem)}.{kind}"


def _arranged(values: torch.Tensor, name: str, config: Any) -> torch.Tensor:
    """A tensor in the order and scale of transformers (llama.cpp, convert_hf_to_gguf.py)."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    projection = name.split(".")[-2]
    if config.model_type in ("llama", "mistral") and projection in heads:
        # Pairs of units that rotate together are neighbours there, halves apart here.
        pairs = values.reshape(heads[projection], -1, 2, *values.shape[1:])
        return pairs.transpose(1, 2).reshape(values.shape)
    if config.model_type.startswith("gemma") and name.endswith("norm.weight"):
        return values - 1  # there the factor itself, here what is added to 1
    return values
