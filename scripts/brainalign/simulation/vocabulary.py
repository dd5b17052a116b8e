"""The tokenizer of the simulated models: a token per word or punctuation mark."""

import json
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import WordLevelTrainer

from brainalign.formats.atomic import fresh_folder

PAD, END, UNKNOWN = "<pad>", "<|endoftext|>", "<unk>"
"""END separates documents; it is the beginning-of-sequence token as well, as in GPT-2."""
SENTINELS = tuple(f"<extra_id_{i}>" for i in range(32))
"""Stand for masked tokens in an encoder-decoder's pre-training, as in T5."""


def train_tokenizer(
    documents: Iterable[str], samples: Iterable[Mapping[str, str]], more: Iterable[str] = ()
) -> Tokenizer:
    """A word-level tokenizer whose vocabulary is each word of documents, samples and further texts.

    White space is no token, so "Answer:" + " B" has the same tokens however it is cut.
    """
    tokenizer = Tokenizer(WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Split(Regex(r"\w+|#+|[^\w\s]"), behavior="removed", invert=True)
    trainer = WordLevelTrainer(
        special_tokens=[PAD, END, UNKNOWN, *SENTINELS], min_frequency=1, show_progress=False
    )
    texts = chain(documents, (text for sample in samples for text in sample.values()), more)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write the files that transformers' PreTrainedTokenizerFast loads, complete or not at all."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": END,
        "eos_token": END,
        "unk_token": UNKNOWN,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    with fresh_folder(folder) as partial:
        tokenizer.save(str(partial / "tokenizer.json"))
        (partial / "tokenizer_config.json").write_text(
            json.dumps(config, indent=2) + "\n", encoding="utf-8"
        )
