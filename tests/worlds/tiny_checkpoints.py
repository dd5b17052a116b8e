"""Small random checkpoints of every architecture family, on disk."""

import string
from functools import cache
from pathlib import Path

import torch
from brainalign.models.architectures import FAMILIES
from brainalign.models.loading import CLASSES, AutoConfig, PreTrainedTokenizerFast
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from worlds.tiny_networks import shape, with_vocabulary

VOCABULARY = 320


@cache
def _trained_tokenizer() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    text = ["the quick brown fox jumps over the lazy dog", string.printable] * 2
    tokenizer.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY - 4,
            special_tokens=["<pad>", "</s>", "<s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer.to_str()


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with some merges."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_trained_tokenizer()),
        pad_token="<pad>", eos_token="</s>", bos_token="<s>",
    )  # fmt: skip


def network(kind: str, seed: int = 0, **settings):
    """A random model of a family, all of whose weights differ from their defaults.

    Its attention is transformers' `eager` one, which is written out and leaves nothing aside.
    """
    sizes = with_vocabulary(shape(kind, width=16, layers=3, positions=64), VOCABULARY)
    special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    config = AutoConfig.for_model(kind, **{**special, **sizes, **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        auto = CLASSES[FAMILIES[kind].architecture]
        model = auto.from_config(config, attn_implementation="eager").eval()
        for parameter in model.parameters():  # biases and norms too: a skipped one must show
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def write(kind: str, folder: Path, seed: int = 0, options: dict | None = None, **settings):
    """Write a tiny checkpoint with its tokenizer; returns the model."""
    model = network(kind, seed, **settings)
    model.save_pretrained(folder, **(options or {}))
    tokenizer().save_pretrained(folder)
    return model


def save(model, folder: Path) -> None:
    """Write a model and the tokenizer."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
