"""Tiny random models of every architecture family, with tokenizers of every kind."""

from functools import cache
from itertools import pairwise

import pandas as pd
import torch
from brainalign.models.architectures import attention, context, family, layer_names, width
from brainalign.models.loading import LanguageModel
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedTokenizerFast,
)

from worlds.tiny_networks import ENCODER_DECODER, MASKED, VARIANTS, sizes, with_vocabulary

TEXT = """The old miller walked slowly down to the river , with a lantern and a loaf of bread .
Nobody in the village had seen the heron since the flood ; still he whistled , and listened !
Was it the wind , or did somebody answer from across ? He could not tell : the fog was thick .
Far away a bell rang twelve times . Then , without any warning , the lantern went out .
In the morning they found his boots , his coat and the empty lantern beside the water-wheel .
The heron stood on one leg in the middle of the mill-pond and looked at them as if it knew ."""


def stories() -> pd.DataFrame:
    """Fragments of two stories and a passage; some begin with punctuation, some hold one word."""
    words = TEXT.split()
    cuts = {
        "a": [0, 5, 9, 10, 14, 19, 26, 27, 35],
        "b": [36, 41, 42, 48, 57, 58, 66],
        "c": [70, 90],
    }
    rows = []
    for group, bounds in cuts.items():
        for position, (begin, end) in enumerate(pairwise(bounds)):
            rows.append((f"{group}{position}", " ".join(words[begin:end]), group, position))
    return pd.DataFrame(rows, columns=["stimulus_id", "text", "context_group", "position"])


def words() -> pd.DataFrame:
    """The text word by word, in two context groups, punctuation as words of their own."""
    result = TEXT.split()[:60]
    return pd.DataFrame(
        {
            "stimulus_id": [f"w{k}" for k in range(60)],
            "text": result,
            "context_group": ["a"] * 35 + ["b"] * 25,
            "position": [*range(35), *range(25)],
        }
    )


@cache
def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """`bytes` (GPT-2's kind), `metaspace` (LLaMA 2's), `unigram` (T5's) or `wordpiece` (BERT's)."""
    lines = TEXT.replace(" ,", ",").replace(" .", ".").split("\n")
    if kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        made.train_from_iterator(
            [*lines, 'no".' * 50],
            trainers.BpeTrainer(
                vocab_size=330,
                special_tokens=["<|end|>"],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            ),
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=made, bos_token="<|end|>", eos_token="<|end|>"
        )
    if kind == "metaspace":
        made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
        made.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        made.train_from_iterator(
            [word for line in lines for word in line.split()],
            trainers.BpeTrainer(vocab_size=160, special_tokens=["<unk>", "<s>", "</s>"]),
        )
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
        )
    if kind == "unigram":
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.train_from_iterator(
            lines,
            trainers.UnigramTrainer(
                vocab_size=120,
                special_tokens=["<pad>", "</s>", "<unk>", "<extra_id_0>"],
                unk_token="<unk>",
            ),
        )
        made.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", 1)]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
        )
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(
        lines,
        trainers.WordPieceTrainer(
            vocab_size=150, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        ),
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip


# Families are those of `tiny_networks`; a tokenizer of another kind than `bytes`:
_TOKENS = {
    **dict.fromkeys(("llama", "gemma", "gemma2", "gemma3", "gemma4", "gemma4-e2b"), "metaspace"),
    **dict.fromkeys(ENCODER_DECODER, "unigram"),
    **dict.fromkeys(MASKED, "wordpiece"),
}
ALL = tuple(VARIANTS)
CAUSAL = tuple(name for name in ALL if name not in (*ENCODER_DECODER, *MASKED))


@cache
def tiny(name: str, max_context: int | None = None) -> LanguageModel:
    """A random model of a family; weights are large enough that contexts make a difference."""
    model_type, settings = sizes(name, layers=3, positions=512, window=16)
    tokens = tokenizer(_TOKENS.get(name, "bytes"))
    config = AutoConfig.for_model(
        model_type,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
        **with_vocabulary(settings, len(tokens)),
    )
    record = config.to_dict()
    architecture = family(record).architecture
    make = {
        "decoder-only": AutoModelForCausalLM,
        "encoder-decoder": AutoModelForSeq2SeqLM,
        "masked": AutoModelForMaskedLM,
    }[architecture]
    torch.manual_seed(0)
    kernel = attention(record)
    model = make.from_config(config, attn_implementation=kernel).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.normal_(0, 0.25)
    return LanguageModel(
        name=name,
        model=model,
        tokenizer=tokens,
        architecture=architecture,
        layers=layer_names(record),
        d_model=width(record),
        max_context=max_context or context(record),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
