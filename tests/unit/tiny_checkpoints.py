"""Small random checkpoints of every architecture family, on disk."""

import string
from functools import cache
from pathlib import Path

import torch
from brainalign.models.architectures import FAMILIES
from brainalign.models.loading import CLASSES, AutoConfig, PreTrainedTokenizerFast
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 320
_LLAMA_LIKE = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1,
    "head_dim": 8, "intermediate_size": 24, "max_position_embeddings": 64,
}  # fmt: skip
_SIZES = {
    "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 64},
    "gpt_neox": {
        "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 64,
    },
    "opt": {
        "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "ffn_dim": 24,
        "word_embed_proj_dim": 16, "max_position_embeddings": 64,
    },
    "gptj": {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 64, "rotary_dim": 4},
    "bloom": {"hidden_size": 16, "n_layer": 3, "n_head": 2},
    "falcon": {
        "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
        "max_position_embeddings": 64,
    },
    "mpt": {"d_model": 16, "n_layers": 3, "n_heads": 2, "max_seq_len": 64},
    "mixtral": _LLAMA_LIKE | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "t5": {
        "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_decoder_layers": 2,
        "num_heads": 2, "decoder_start_token_id": 0,
    },
    "mt5": {
        "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_decoder_layers": 2,
        "num_heads": 2,
    },
    "bert": {
        "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 64,
    },
}  # fmt: skip


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
    sizes = {**_SIZES.get(kind, _LLAMA_LIKE), "vocab_size": VOCABULARY}
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
