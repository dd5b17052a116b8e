"""Low-rank adapters in place of all weights (Hu et al. 2021)."""

from collections import defaultdict
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel

from brainalign.errors import InputError
from brainalign.training.settings import Lora


def adapted(model: PreTrainedModel, lora: Lora) -> Any:
    """A model with adapters; its own weights are frozen.

    Raises
    ------
    InputError : a target that the architecture lacks, or whose matrix is another module's too
        (tied embeddings): the adapter of one would be merged into both.
    """
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    if not isinstance(targets, str):
        linear = sorted(
            {
                name.rpartition(".")[2]
                for name, module in model.named_modules()
                if hasattr(module, "weight") and getattr(module.weight, "ndim", 0) == 2
            }
        )
        names = [name for name, _ in model.named_modules()]
        for one in targets:
            if not any(name == one or name.endswith(f".{one}") for name in names):
                raise InputError(
                    f"lora.targets: {type(model).__name__} has no module {one!r}; it has "
                    f"{', '.join(linear)}"
                )
        for tied in _tied_modules(model):
            for one in targets:
                if any(name == one or name.endswith(f".{one}") for name in tied):
                    raise InputError(
                        f"lora.targets: {one!r} of {type(model).__name__} has one matrix for "
                        f"{' and '.join(sorted(tied))}; merged, an adapter of one would change "
                        "all: leave it out"
                    )
    return get_peft_model(
        model,
        LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=targets,
            task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
        ),
    )


def _tied_modules(model: PreTrainedModel) -> list[set[str]]:
    """The names of modules that have one weight, group by group."""
    names: dict[int, set[str]] = defaultdict(set)
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(getattr(module, "weight", None), torch.Tensor):
            names[id(module.weight)].add(name)
    return [group for group in names.values() if len(group) > 1]
