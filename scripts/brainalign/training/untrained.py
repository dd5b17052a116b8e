"""Untrained twins: a model of the same shape and tokenizer with random weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brainalign.errors import InputError
from brainalign.formats.atomic import fresh_folder
from brainalign.models.conversion import copy_text_files
from brainalign.models.loading import CLASSES, AutoConfig
from brainalign.models.manifest import check


def write_untrained(manifest: Mapping[str, Any], folder: Path, seed: int) -> None:
    """Write a randomly initialised twin of a model as a checkpoint folder.

    The weights are drawn by transformers' initialisation of that architecture, in float32,
    with torch's generator at `seed`, whose state outside is left as it was.

    Parameters
    ----------
    manifest : of the model whose config and tokenizer the twin has.
    folder : where the twin's checkpoint goes.
    seed : of the weights.

    Raises
    ------
    InputError : a model of that config has another number of parameters than the checkpoint.
    """
    check(manifest)
    config = AutoConfig.from_pretrained(
        manifest["folder"],
        local_files_only=True,
        trust_remote_code=manifest["trust_remote_code"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLASSES[manifest["architecture"]].from_config(
            config, dtype=torch.float32, trust_remote_code=manifest["trust_remote_code"]
        )
        if count(model) < manifest["parameters"]:
            untie_head(model)
    if count(model) != manifest["parameters"]:
        raise InputError(
            f"model {manifest['name']}: its config gives {count(model)} parameters, its checkpoint "
            f"has {manifest['parameters']}"
        )
    model = model.to(getattr(torch, manifest["dtype"]))
    with fresh_folder(folder) as partial:
        copy_text_files(Path(manifest["folder"]), partial)
        (partial / "model.safetensors.index.json").unlink(missing_ok=True)
        model.save_pretrained(partial)


def count(model: nn.Module) -> int:
    """The number of parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def untie_head(model: Any) -> None:
    """Give the language-model head random weights of its own, spread as the embeddings are.

    transformers 5 ties the head of every new T5; T5 v1.1 and Flan-T5 have one of their own, drawn
    from the same distribution as the embeddings (T5PreTrainedModel._init_weights).
    """
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or head.weight is not embeddings.weight:
        return
    head.weight = nn.Parameter(torch.randn_like(embeddings.weight) * embeddings.weight.std())
    tied = getattr(model, "all_tied_weights_keys", {})
    for name in [name for name in tied if model.get_parameter(name) is head.weight]:
        del tied[name]
