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

NOUNS = ["river", "stone", "lamp", "heron", "bread", "boat", "miller", "tower", "apple", "garden"]
VERBS = ["holds", "follows", "hides", "lifts", "finds"]


def multiple_choice(n_test: int = 7, n_dev: int = 5, n_choices: int = 4) -> pd.DataFrame:
    """Two subjects of questions of unequal length."""
    rng = np.random.default_rng(5)
    rows = []
    for subject, category in (("deep_water", "STEM"), ("old_towers", "Humanities")):
        for number in range(n_dev + n_test):
            told = " ".join(rng.choice(NOUNS, rng.integers(2, 16)))
            rows.append(
                {
                    "question_id": f"{subject}-{number}",
                    "split": "dev" if number < n_dev else "test",
                    "subject": subject,
                    "category": category,
                    "question": f"What {rng.choice(VERBS)} the {told}?",
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


_LLAMA_LIKE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 1024,
}
_T5_LIKE = {
    "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4,
    "decoder_start_token_id": 0,
}  # fmt: skip
_CONFIGS = {
    "gpt2": ("bytes", "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 1024}),
    "gpt2-split": ("split", "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    "llama": ("begin", "llama", _LLAMA_LIKE),
    "mistral": ("begin", "mistral", _LLAMA_LIKE | {"sliding_window": 40}),
    "gemma2": (
        "begin",
        "gemma2",
        _LLAMA_LIKE | {
            "attn_logit_softcapping": 1.0, "final_logit_softcapping": 2.0, "sliding_window": 4096,
        },
    ),
    "opt": (
        "begin",
        "opt",
        {
            "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "word_embed_proj_dim": 32, "max_position_embeddings": 1024,
        },
    ),
    "bloom": ("bytes", "bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "falcon": (
        "bytes",
        "falcon",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    ),
    "falcon-rw": (
        "bytes",
        "falcon",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "alibi": True},
    ),
    "gptj": ("bytes", "gptj", {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4}),
    "mixtral": ("begin", "mixtral", _LLAMA_LIKE | {"num_local_experts": 4}),
    "mpt": ("bytes", "mpt", {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 1024}),
    "olmo3": ("bytes", "olmo3", _LLAMA_LIKE | {"sliding_window": 40}),
    "phi": ("bytes", "phi", _LLAMA_LIKE),
    "phi3": ("begin", "phi3", _LLAMA_LIKE | {"sliding_window": 40}),
    "gpt_neox": ("bytes", "gpt_neox", _LLAMA_LIKE | {"rotary_pct": 0.5}),
    "olmo": ("bytes", "olmo", _LLAMA_LIKE),
    "olmo2": ("bytes", "olmo2", _LLAMA_LIKE),
    "granite": ("bytes", "granite", _LLAMA_LIKE | {"logits_scaling": 4.0}),
    "qwen2": ("bytes", "qwen2", _LLAMA_LIKE),
    "qwen3": ("bytes", "qwen3", _LLAMA_LIKE),
    "smollm3": ("bytes", "smollm3", _LLAMA_LIKE),
    "gemma": ("begin", "gemma", _LLAMA_LIKE),
    "gemma3": ("begin", "gemma3_text", _LLAMA_LIKE | {"sliding_window": 40}),
    "t5": ("end", "t5", _T5_LIKE),
    "mt5": ("end", "mt5", _T5_LIKE),
}  # fmt: skip
ENCODER_DECODER = ("t5", "mt5")
DECODERS = tuple(kind for kind in _CONFIGS if kind not in ENCODER_DECODER)
ALL = tuple(_CONFIGS)


@cache
def model(kind: str, max_context: int = 1024, scale: float = 0.25) -> LanguageModel:
    """A random model; its weights are large enough that every token of a prompt matters."""
    tokens, model_type, sizes = _CONFIGS[kind]
    made = tokenizer(tokens)
    config = AutoConfig.for_model(
        model_type, vocab_size=len(made), bos_token_id=2, eos_token_id=1, pad_token_id=0, **sizes
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
