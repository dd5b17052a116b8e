"""The inputs of reading.py: `reading_assets.py FOLDER MIRROR` writes texts, tokenizers and models.

What is there already is kept. `texts.json`: `source`, `stories` (lists of words), `fragments` (a
story in 165 pieces) and `passages` (lists of sentences).
"""

import csv
import json
import random
import sys
from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GPT2Config,
    PreTrainedTokenizerFast,
    T5Config,
)

FRAGMENTS = 165
VOCABULARY = 50257


def main(folder: Path, mirror: Path) -> None:
    """Write what is not there yet."""
    if (folder / "texts.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    stories, passages, source = real_texts(mirror) or invented_texts()
    words = stories[0]
    edges = [round(k * len(words) / FRAGMENTS) for k in range(FRAGMENTS + 1)]
    fragments = [" ".join(words[a:b]) for a, b in pairwise(edges)]
    lines = [" ".join(story) for story in stories] + [" ".join(p) for p in passages]
    write_models(folder, lines)
    texts = {
        "source": source, "stories": stories, "fragments": fragments, "passages": passages,
    }  # fmt: skip
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")


def real_texts(mirror: Path) -> tuple[list[list[str]], list[list[str]], str] | None:
    """Natural Stories' ten stories and Pereira's 168 passages; None where the mirror lacks them."""
    story_file = mirror / "natural_stories" / "all_stories.tok"
    passage_file = next(mirror.glob("pereira2018_stimuli/*.csv"), None)
    if not story_file.exists() or passage_file is None:
        return None
    stories: dict[str, list[str]] = {}
    with story_file.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            stories.setdefault(row["item"], []).append(row["word"])
    passages: dict[tuple[str, ...], list[str]] = {}
    with passage_file.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["experiment"], row["passage_category"], row["passage_index"]
            passages.setdefault(key, []).append(row["sentence"])
    return list(stories.values()), list(passages.values()), "Natural Stories, Pereira2018"


def invented_texts() -> tuple[list[list[str]], list[list[str]], str]:
    """Ten stories of 1,025 words and 168 passages of 3 or 4 sentences, of invented words."""
    rng = random.Random(0)
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "ou", "an")]
    words = ["".join(rng.choices(syllables, k=rng.choice([1, 2, 2, 3]))) for _ in range(3000)]
    stories = [rng.choices(words, k=1025) for _ in range(10)]
    sentences = [
        " ".join(rng.choices(words, k=rng.randint(8, 15))).capitalize() + "." for _ in range(627)
    ]
    sizes = [4] * 123 + [3] * 45
    rest = iter(sentences)
    return stories, [[next(rest) for _ in range(size)] for size in sizes], "invented"


def write_models(folder: Path, lines: list[str]) -> None:
    """GPT-2 small's shape with 1,024 and 2,048 positions, and T5 small's, with random weights."""
    special = {"bos_token_id": 0, "eos_token_id": 0}
    for positions in (1024, 2048):
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=VOCABULARY, n_positions=positions, **special)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder / f"gpt2-{positions}")
        tokens = byte_level(lines, positions)
        tokens.save_pretrained(folder / f"gpt2-{positions}")
    torch.manual_seed(0)
    config = T5Config(decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder / "t5")
    unigram(lines).save_pretrained(folder / "t5")


def byte_level(lines: list[str], limit: int) -> PreTrainedTokenizerFast:
    """A tokenizer of GPT-2's kind; 1.2 tokens per word, as GPT-2's own has on these stories."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=6000,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|endoftext|>", eos_token="<|endoftext|>",
        unk_token="<|endoftext|>", model_max_length=limit, truncation_side="left",
    )  # fmt: skip


def unigram(lines: list[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of T5's kind."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=8000,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    made.train_from_iterator(lines, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
