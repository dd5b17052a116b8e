"""Untrained twins: a model of the same shape and tokenizer with random weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from brainalign.models.conversion import copy_text_files, fresh_folder
from brainalign.models.loading import CLASSES, AutoConfig
from brainalign.models.manifest import check


def write_untrained(manifest: Mapping[str, Any], folder: Path, seed: int) -> None:
    """Write a randomly initialised twin of a model as a checkpoint folder.

    The weights are drawn by transformers' own initialisation of that architecture, in float32,
    with torch's generator at `seed`, whose state outside is left as it was.

    Parameters
    ----------
    manifest : of the model whose config and tokenizer the twin has.
    folder : where the twin's checkpoint goes.
    seed : of the weights.
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
    model = model.to(getattr(torch, manifest["dtype"]))
    with fresh_folder(folder) as partial:
        copy_text_files(Path(manifest["folder"]), partial)
        (partial / "model.safetensors.index.json").unlink(missing_ok=True)
        model.save_pretrained(partial)
