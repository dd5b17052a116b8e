"""Two tiny checkpoints to try a study with: a random base model, and a changed copy of it.

    PYTHONPATH=scripts python -m brainalign.training.tiny_pair FOLDER

They are real checkpoint folders in form (config, tokenizer, safetensors) and know nothing.
"""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from brainalign.formats.atomic import fresh_folder
from brainalign.training.pretraining import new_model

LAYERS, WIDTH, HEADS, CONTEXT = 2, 32, 2, 2048
SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
CHANGE = 0.1  # of each parameter's spread, from base to tuned


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are the 256 bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def write_pair(folder: Path) -> list[Path]:
    """Write `base` and `tuned` into a folder; always the same bytes."""
    tokenizer = byte_tokenizer()
    written: list[Path] = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        model = new_model("decoder-only", tokenizer, LAYERS, WIDTH, HEADS, CONTEXT)
        for name in ("base", "tuned"):
            if written:
                for parameter in model.parameters():
                    spread = float(parameter.std()) if parameter.ndim > 1 else 1.0
                    parameter.add_(CHANGE * spread * torch.randn_like(parameter))
            with fresh_folder(folder / name) as partial:
                model.save_pretrained(partial)
                tokenizer.save_pretrained(partial)
            written.append(folder / name)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m brainalign.training.tiny_pair FOLDER")
    disable_progress_bar()
    for path in write_pair(Path(sys.argv[1])):
        print(path)
