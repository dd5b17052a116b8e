"""Loading the model that a manifest describes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.activations import NewGELUActivation
from transformers.utils import logging as transformers_logging

from brainalign.devices import choose_device
from brainalign.errors import REMAKE, InputError
from brainalign.models import head
from brainalign.models import manifest as manifests
from brainalign.models.architectures import capture, run_body
from brainalign.models.weights import check_weights

__all__ = [
    "CLASSES",
    "AutoConfig",
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "LanguageModel",
    "PreTrainedTokenizerFast",
    "empty",
    "load",
    "load_tokenizer",
]

transformers_logging.disable_progress_bar()  # a log file is no terminal

LARGE = 10_000_000  # parameters from which huge pages cost less than they save

CLASSES: Mapping[str, Any] = {
    "decoder-only": AutoModelForCausalLM,
    "encoder-decoder": AutoModelForSeq2SeqLM,
    "masked": AutoModelForMaskedLM,
}


@dataclass(frozen=True)
class LanguageModel:
    """A model ready to read: in eval mode, without gradients, with its tokenizer."""

    name: str
    model: nn.Module
    tokenizer: PreTrainedTokenizerFast
    architecture: str
    layers: tuple[str, ...]
    d_model: int
    max_context: int
    device: torch.device
    dtype: torch.dtype

    @property
    def wants_equal_lengths(self) -> bool:
        """Whether batches of sequences of one length are read faster than padded ones.

        So it is for T5 on a CPU: where there is a mask, attention writes its biases out for every
        sequence and layer, a fifth of the time.
        """
        return self.architecture == "encoder-decoder" and self.device.type == "cpu"


def load(
    manifest: Mapping[str, Any], device: str = "cpu", threads: int | None = None
) -> LanguageModel:
    """Load the model and the tokenizer of a manifest.

    Parameters
    ----------
    manifest : as models/manifest.py writes it.
    device : `cpu`, `cuda`, `cuda:N`, `auto` (a GPU if there is one, else the CPU), or `sharded`
        (layers over all GPUs, the rest in the CPU's memory; `LanguageModel.device` is then where
        inputs go).
    threads : CPU threads of torch; default: leave as is.

    Raises
    ------
    InputError : files are missing or corrupt, the loaded weights are not those of the files
        (`check_weights`), the tokenizer has no offsets or more tokens than the model, or float16
        is too small for the model's hidden states (T5).
    """
    manifests.check(manifest)
    manifests.check_files(manifest)
    if threads is not None:
        torch.set_num_threads(threads)
    if manifest["parameters"] >= LARGE:
        # torch's large tensors in huge pages, as NumPy's: new memory costs a fault per page.
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    dtype = getattr(torch, manifest["dtype"])
    target = torch.device(choose_device(device))
    tokenizer = load_tokenizer(manifest)
    placement: dict[str, Any] = {"device_map": "auto"} if device == "sharded" else {}
    if device != "sharded" and target.type == "cuda":
        # Tensor by tensor to the GPU: the weights are never all in the host's memory.
        placement = {"device_map": {"": target}}
    model = _load_network(manifest, dtype, placement)
    _fuse(model)
    head.use_float32(model)
    if device == "sharded":
        target = _entrance(model)
    else:
        model = model.to(target)
    rows = model.get_input_embeddings().weight.shape[0]
    special = {k for k, token in tokenizer.added_tokens_decoder.items() if token.special}
    largest = max(set(tokenizer.get_vocab().values()) - special, default=-1)
    if largest >= rows:
        raise InputError(
            f"model {manifest['name']}: the tokenizer has a token of id {largest}, the model only "
            f"{rows} embeddings: they do not belong together"
        )
    if dtype is torch.float16:
        _check_overflow(model, manifest, target)
    return LanguageModel(
        name=manifest["name"],
        model=model,
        tokenizer=tokenizer,
        architecture=manifest["architecture"],
        layers=tuple(manifest["layers"]),
        d_model=manifest["d_model"],
        max_context=manifest["max_context"],
        device=target,
        dtype=dtype,
    )


def empty(manifest: Mapping[str, Any]) -> PreTrainedModel:
    """The network of a manifest without its weights: memory that is not written takes none."""
    config = AutoConfig.from_pretrained(
        manifest["folder"], local_files_only=True, trust_remote_code=manifest["trust_remote_code"]
    )
    with init_empty_weights():
        network = CLASSES[manifest["architecture"]].from_config(
            config,
            dtype=getattr(torch, manifest["dtype"]),
            attn_implementation=manifest["attention"],
            trust_remote_code=manifest["trust_remote_code"],
        )
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            held = torch.empty_like(parameter, device="cpu")
            module.register_parameter(name, nn.Parameter(held, requires_grad=False))
    network.tie_weights()
    head = network.get_output_embeddings()
    if sum(parameter.numel() for parameter in network.parameters()) < manifest["parameters"]:
        # transformers ties every new T5; the checkpoint has a separate head (T5 1.1).
        head.weight = nn.Parameter(torch.empty_like(head.weight), requires_grad=False)
    _fuse(network)
    return network.eval()


def load_tokenizer(manifest: Mapping[str, Any]) -> PreTrainedTokenizerFast:
    """The tokenizer of a manifest; it must be a fast one, which knows the tokens' offsets.

    Raises
    ------
    InputError : it cannot be loaded, or is not a fast one.
    """
    folder = manifest["folder"]
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=manifest["trust_remote_code"]
        )
    except Exception as error:
        raise InputError(f"{folder}: the tokenizer cannot be loaded ({error}); {REMAKE}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(
            f"{folder}: tokenizer {type(tokenizer).__name__} gives no character offsets; a fast "
            "one (tokenizer.json) is needed"
        )
    return tokenizer


def _load_network(
    manifest: Mapping[str, Any], dtype: torch.dtype, placement: dict[str, Any]
) -> Any:
    folder = manifest["folder"]
    try:
        model = CLASSES[manifest["architecture"]].from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=manifest["trust_remote_code"],
            attn_implementation=manifest["attention"],
            **placement,
        )
    except Exception as error:
        raise InputError(f"{folder}: the model cannot be loaded ({error}); {REMAKE}") from error
    check_weights(model, Path(folder))
    return model.eval().requires_grad_(False)


def _fuse(model: nn.Module) -> None:
    """Take torch's kernel for GELU's tanh form (GPT-2, T5 1.1), in place.

    It is the same function to rounding; transformers computes it in eight passes over memory.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh").eval())


def _entrance(model: Any) -> torch.device:
    """Where the inputs of a model go whose layers lie on several devices, or are offloaded."""
    embeddings = model.get_input_embeddings()
    hook = getattr(embeddings, "_hf_hook", None)
    device = embeddings.weight.device if hook is None else hook.execution_device
    return torch.device(device if device is not None else embeddings.weight.device)


def _check_overflow(model: Any, manifest: Mapping[str, Any], device: torch.device) -> None:
    """Raise an InputError if tokens from all over the vocabulary leave float16's range."""
    n = min(64, manifest["max_context"], manifest["vocabulary"])
    step = manifest["vocabulary"] // n
    tokens = torch.arange(0, n * step, step, device=device)[None]
    decoder = tokens if manifest["architecture"] == "encoder-decoder" else None
    with torch.inference_mode(), capture(model, keep=_all_finite) as finite:
        run_body(model, tokens, torch.ones_like(tokens), decoder)
    overflown = [name for name in manifest["layers"] if not finite[name]]
    if overflown:
        raise InputError(
            f"model {manifest['name']}: float16 overflows from layer {overflown[0]} on; give dtype "
            "bfloat16 or float32"
        )


def _all_finite(state: torch.Tensor) -> torch.Tensor:
    """Whether a hidden state stays within its range (transformers clamps T5's just below it)."""
    limit = torch.finfo(state.dtype).max - 1000
    return (state.abs() < limit).all()
