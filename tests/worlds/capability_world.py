"""Questions and tiny random models with which to answer them."""

from functools import cache

import numpy as np
import pandas as pd
import torch
from brainalign.models.architectures import attention
from brainalign.models.loading import LanguageModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedTokenizerFast,
)

from worlds.tiny_networks import MASKED, VARIANTS, sizes, with_vocabulary

NOUNS = ["river", "stone", "lamp", "heron", "bread", "boat", "miller", "tower", "apple", "garden"]
VERBS = ["holds", "follows", "hides", "lifts", "finds"]


def multiple_choice(n_test: int = 7, n_dev: int = 5, n_choices: int = 4) -> pd.DataFrame:
    """Two subjects of questions of unequal length."""
    rng = np.random.default_rng(5)
    rows = []
    for subject, category in (("deep_water", "STEM"), ("old_towers", "Humanities")):
        for number in range(n_dev + n_test):
            stated = " ".join(rng.choice(NOUNS, rng.integers(2, 16)))
            rows.append(
                {
                    "question_id": f"{subject}-{number}",
                    "split": "dev" if number < n_dev else "test",
                    "subject": subject,
                    "category": category,
                    "question": f"What {rng.choice(VERBS)} the {stated}?",
                    "choices": [
                        " ".join(rng.choice(NOUNS, rng.integers(1, 4))) for _ in range(n_choices)
                    ],
                    "gold": int(rng.integers(n_choices)),
                }
            )
    return pd.DataFrame(rows)


def published_prompt(questions: pd.DataFrame, row: pd.Series, shots: int, letters: bool) -> str:
    """The published format, written out independently."""
    dev = questions[(questions["subject"] == row["subject"]) & (questions["split"] == "dev")]
    if letters:
        name = "  ".join(["about", row["subject"].replace("_", " ")])
        text = f"The following are multiple choice questions (with answers) {name}.\n\n"
    else:
        name = row["subject"].replace("_", " ")
        text = f"The following are questions (with answers) about {name}.\n\n"
    for _, shot in pd.concat([dev.head(shots), row.to_frame().T]).iterrows():
        text += shot["question"]
        if letters:
            for letter, choice in zip("ABCD", shot["choices"], strict=True):
                text += f"\n{letter}. {choice}"
        text += "\nAnswer:"
        if shot["question_id"] != row["question_id"]:
            right = "ABCD"[shot["gold"]] if letters else shot["choices"][shot["gold"]]
            text += f" {right}\n\n"
    return text


def generation(n: int = 8) -> pd.DataFrame:
    """Two files of one task."""
    rng = np.random.default_rng(6)
    rows = []
    for subject in ("sorting_two", "sorting_three"):
        for number in range(n):
            words = rng.choice(NOUNS, 2 if subject == "sorting_two" else 3, replace=False)
            rows.append(
                {
                    "question_id": f"{subject}-{number}",
                    "split": "test",
                    "subject": subject,
                    "task": "sorting",
                    "category": "Others",
                    "input": f"Sort the words: {' '.join(words)}",
                    "target": " ".join(sorted(words)),
                }
            )
    return pd.DataFrame(rows)


@cache
def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """`bytes` (GPT-2's kind), `begin` (with a begin token), `end` (T5's: with an end token) or
    `split` (which cuts " A" into two tokens)."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.decoder = decoders.ByteLevel()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    frame = multiple_choice(30)
    text = [*frame["question"], *(f"Answer: {letter}" for letter in "ABCD" * 20)]
    if kind == "split":
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.ByteLevel(False, use_regex=True)]
        )
    made.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<pad>", "</s>", "<s>", "<unk>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    frame_of = {"begin": "<s> $A", "end": "$A </s>"}.get(kind)
    if frame_of:
        made.post_processor = processors.TemplateProcessing(
            single=frame_of, special_tokens=[("<s>", 2), ("</s>", 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="<unk>",
        chat_template="{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n"
        "{% endfor %}{% if add_generation_prompt %}<s>assistant\n{% endif %}",
    )  # fmt: skip


ENCODER_DECODER = ("t5", "mt5", "t5gemma")
# Families are those of `tiny_networks`; a tokenizer of another kind than `bytes`:
_TOKENS = {
    **dict.fromkeys(
        ("llama", "mistral", "gemma", "gemma2", "gemma3", "opt", "mixtral", "phi3"), "begin"
    ),
    **dict.fromkeys(ENCODER_DECODER, "end"),
    "gpt2-split": "split",
}
# Answer as others do, or not at all.
_OTHERS = (*MASKED, "rwkv", "t5-v1.1", "falcon-40b", "opt-350m")
DECODERS = ("gpt2-split", *(n for n in VARIANTS if n not in (*ENCODER_DECODER, *_OTHERS)))
ALL = (*DECODERS, *ENCODER_DECODER)


@cache
def model(kind: str, max_context: int = 1024, scale: float = 0.25) -> LanguageModel:
    """A random model; its weights are large enough that every token of a prompt matters."""
    name = kind.removesuffix("-split")
    model_type, settings = sizes(
        name, layers=3 if kind == "gemma4-e2b" else 2, positions=1024, window=40
    )  # the third layer shares the first one's keys
    made = tokenizer(_TOKENS.get(kind, "bytes"))
    config = AutoConfig.for_model(
        model_type,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
        **with_vocabulary(settings, len(made)),
    )
    two = kind in ENCODER_DECODER
    auto = AutoModelForSeq2SeqLM if two else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kernel = attention(config.to_dict())
        network = auto.from_config(config, attn_implementation=kernel).eval().requires_grad_(False)
        for parameter in network.parameters():
            if parameter.ndim == 2:
                parameter.normal_(0, scale)
    return LanguageModel(
        name=kind,
        model=network,
        tokenizer=made,
        architecture="encoder-decoder" if two else "decoder-only",
        layers=(),
        d_model=32,
        max_context=max_context,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
