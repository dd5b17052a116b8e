"""What the fields of a GGUF file say of a model, as a config of transformers.

Keys and their meaning: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp,
src/llama-model.cpp (load_hparams). A field that is not known here is refused, not passed over.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainalign.errors import InputError

# GGUF architecture → model_type. Mistral's files are LLaMA's.
ARCHITECTURES = {
    "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma", "gemma2": "gemma2",
    "gemma3": "gemma3_text",
}  # fmt: skip
SAFETENSORS = "give the model's safetensors instead"
_KEYS = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
_REQUIRED = list(_KEYS)[:6]
# Values with which a field changes nothing.
_IDLE: Mapping[str, tuple[Any, ...]] = {
    "attention.causal": (True,),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "pooling_type": (0,),
    "rope.scaling.finetuned": (True, False),
    "rope.scaling.attn_factor": (1.0,),
}
_ROTATIONS_OF_WINDOWS = 10_000.0  # Gemma 3: base of the layers that see a window
# llama.cpp calls these 27B: their scores are divided by the root of width / heads.
_BROAD = {("gemma2", 46), ("gemma3", 62)}


def config_of(
    fields: Mapping[str, Any], vocabulary: int, divisors: np.ndarray | None, where: str
) -> dict[str, Any]:
    """The config, as keyword arguments of `AutoConfig.for_model`.

    Parameters
    ----------
    fields : of the file, by name.
    vocabulary : rows of the embeddings.
    divisors : tensor `rope_freqs.weight`, float32 [pair]: what the frequency of each pair of units
        is divided by (LLaMA 3.1); None without.
    where : the file, for errors.

    Raises
    ------
    InputError : an architecture, a field or a value that is not known; a field that is missing.
    """
    kind = fields.get("general.architecture")
    if kind not in ARCHITECTURES:
        raise InputError(
            f"{where}: its architecture is {kind!r}; GGUF files of {', '.join(ARCHITECTURES)} are "
            f"read: {SAFETENSORS}"
        )
    left = {
        key.removeprefix(f"{kind}."): _one(value, f"{where}: {key}")
        for key, value in fields.items()
        if key.startswith(f"{kind}.")
    }
    config = {ours: left.pop(key) for key, ours in _KEYS.items() if key in left}
    for key in _REQUIRED:
        if _KEYS[key] not in config:
            raise InputError(f"{where}: field {kind}.{key} is missing")
    heads, width = config["num_attention_heads"], config["hidden_size"]
    config.setdefault("num_key_value_heads", heads)
    rotated = left.pop("rope.dimension_count", None)
    units = config.setdefault("head_dim", rotated or width // heads)
    for key, value, expected in (
        ("rope.dimension_count", rotated, units),
        ("attention.value_length", left.pop("attention.value_length", None), units),
        ("vocab_size", left.pop("vocab_size", None), vocabulary),
    ):
        if value not in (None, expected):
            raise InputError(f"{where}: {kind}.{key} is {value}, expected {expected}")
    model_type = ARCHITECTURES[kind]
    if kind == "llama" and "sliding_window" in config:
        model_type = "mistral"
    if kind in ("qwen2", "qwen3") and "sliding_window" in config:
        raise InputError(f"{where}: {kind}.attention.sliding_window is not known: {SAFETENSORS}")
    if kind in ("gemma2", "gemma3"):
        broad = (kind, config["num_hidden_layers"]) in _BROAD
        config["query_pre_attn_scalar"] = width // heads if broad else units
    config["rope_parameters"] = _rotations(left, config, divisors, kind, where)
    for key, value in left.items():
        if value not in _IDLE.get(key, ()):
            raise InputError(f"{where}: {kind}.{key} is {value!r}, not known: {SAFETENSORS}")
    return {"model_type": model_type, "vocab_size": vocabulary, **config}


def _one(value: Any, where: str) -> Any:
    """A value for all layers; floats as they were written before they became float32."""
    if isinstance(value, list) and len({*value}) == 1:
        value = value[0]
    if isinstance(value, list):
        raise InputError(f"{where} differs between layers: {SAFETENSORS}")
    return float(str(np.float32(value))) if isinstance(value, float) else value


def _rotations(
    left: dict[str, Any],
    config: Mapping[str, Any],
    divisors: np.ndarray | None,
    kind: str,
    where: str,
) -> dict[str, Any]:
    """`rope_parameters` of transformers; takes its fields out of `left`."""
    base = {"rope_theta": left.pop("rope.freq_base", 10_000.0)}
    factor = left.pop("rope.scaling.factor", left.pop("rope.scale_linear", None)) or 1.0
    scaling = left.pop("rope.scaling.type", "linear")  # llama.cpp's default
    original = left.pop("rope.scaling.original_context_length", None)
    turned: dict[str, Any] = {"rope_type": "default"}
    if scaling not in ("none", "linear", "yarn"):
        raise InputError(
            f"{where}: {kind}.rope.scaling.type is {scaling!r}, not known: {SAFETENSORS}"
        )
    if scaling == "linear" and factor != 1.0:
        turned = {"rope_type": "linear", "factor": factor}
    if scaling == "yarn":
        if original is None:
            raise InputError(f"{where}: {kind}.rope.scaling.original_context_length is missing")
        turned = {
            "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original,
        }  # fmt: skip
    if divisors is not None and (divisors != 1).any():
        if turned["rope_type"] != "default" or kind != "llama":
            raise InputError(
                f"{where}: rope_freqs.weight and rope.scaling, of {kind}, are not known"
            )
        if divisors.shape != (config["head_dim"] // 2,):
            raise InputError(f"{where}: rope_freqs.weight has shape {divisors.shape}")
        # One list for short and long texts: the divisors at any length.
        same = [float(divisor) for divisor in divisors]
        turned = {
            "rope_type": "longrope", "short_factor": same, "long_factor": same,
            "attention_factor": 1.0, "factor": 1.0,
            "original_max_position_embeddings": config["max_position_embeddings"],
        }  # fmt: skip
    if kind == "gemma3":
        window = {"rope_type": "default", "rope_theta": _ROTATIONS_OF_WINDOWS}
        return {"sliding_attention": window, "full_attention": {**base, **turned}}
    return {**base, **turned}
