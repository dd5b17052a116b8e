"""The tokenizer of a GGUF file: SentencePiece's BPE or byte-level BPE, as llama.cpp has them."""

from collections.abc import Mapping
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges

from brainalign.errors import InputError

_UNKNOWN, _CONTROL, _USER, _BYTE = 2, 3, 4, 6  # kinds of tokens
_ROLES = {
    "bos_token": "bos_token_id", "eos_token": "eos_token_id", "pad_token": "padding_token_id",
    "unk_token": "unknown_token_id", "mask_token": "mask_token_id",
}  # fmt: skip
_TAKEN = {
    *_ROLES.values(), "model", "pre", "tokens", "scores", "token_type", "merges", "add_bos_token",
    "add_eos_token", "add_space_prefix",
}  # fmt: skip
# What only ends an answer or fills a gap in a program, and what says that nothing is done.
_IDLE = {"remove_extra_whitespaces": False, "add_sep_token": False, "token_type_count": 1}
_ASIDE = ("eot_token_id", "eom_token_id", "fim_", "prefix_token_id", "suffix_token_id",
          "middle_token_id", "seperator_token_id", "cls_token_id")  # fmt: skip
_OTHER = "give the folder of the model's tokenizer as `tokenizer` of the source"
# llama.cpp, src/llama-vocab.cpp: the regular expressions of these kinds.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = ("llama3", "llama-v3", "llama-bpe")


def tokenizer_of(fields: Mapping[str, Any], where: str) -> PreTrainedTokenizerFast:
    """The tokenizer that the fields describe, with its chat template.

    Texts begin with BOS and end with EOS where the file says so; where it does not say, as in
    llama.cpp: SentencePiece's and LLaMA 3's begin with BOS.

    Raises
    ------
    InputError : a kind of tokenizer, a rule that splits words or a field that is not known.
    """
    prefix = "tokenizer.ggml."
    given = {k.removeprefix(prefix): v for k, v in fields.items() if k.startswith(prefix)}
    for key, value in given.items():
        known = key in _TAKEN or key.startswith(_ASIDE)
        if not known and _IDLE.get(key, ...) != value:
            raise InputError(f"{where}: {prefix}{key} is {str(value)[:40]}, not known: {_OTHER}")
    kind, pieces = given.get("model"), given.get("tokens", [])
    if kind not in ("llama", "gpt2"):
        raise InputError(f"{where}: a tokenizer of kind {kind!r} is not known: {_OTHER}")
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    if len(vocabulary) != len(pieces):
        raise InputError(f"{where}: two tokens of its vocabulary are the same: {_OTHER}")
    kinds = given.get("token_type") or [1] * len(pieces)
    make = _sentencepiece if kind == "llama" else _byte_level
    made = make(given, vocabulary, kinds, where)
    made.add_special_tokens(
        [
            AddedToken(p, normalized=False)
            for p, k in zip(pieces, kinds, strict=True)
            if k == _CONTROL
        ]
    )
    made.add_tokens(
        [AddedToken(p, normalized=False) for p, k in zip(pieces, kinds, strict=True) if k == _USER]
    )
    begins = given.get("add_bos_token", kind == "llama" or given.get("pre") in _LLAMA3)
    around = {
        "begin": pieces[given["bos_token_id"]] if begins else None,
        "end": pieces[given["eos_token_id"]] if given.get("add_eos_token") else None,
    }
    marks = [mark for mark in around.values() if mark is not None]
    if marks:
        both = [mark for mark in (around["begin"], "$A", around["end"]) if mark is not None]
        template = processors.TemplateProcessing(
            single=both, special_tokens=[(mark, vocabulary[mark]) for mark in {*marks}]
        )
        offsets = [processors.ByteLevel(trim_offsets=False)] if kind == "gpt2" else []
        made.post_processor = processors.Sequence([*offsets, template])
    roles = {role: pieces[given[key]] for role, key in _ROLES.items() if key in given}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        clean_up_tokenization_spaces=False,  # it would take spaces out of what is decoded
        chat_template=fields.get("tokenizer.chat_template"),
        **roles,
    )


def _sentencepiece(
    given: Mapping[str, Any], vocabulary: dict[str, int], kinds: list[int], where: str
) -> Tokenizer:
    if "scores" not in given:
        raise InputError(f"{where}: tokenizer.ggml.scores is missing: {_OTHER}")
    scores = dict(zip(vocabulary, given["scores"], strict=True))
    unmerged = {
        p for p, k in zip(vocabulary, kinds, strict=True) if k in (_UNKNOWN, _CONTROL, _BYTE)
    }
    unknown = next((p for p, k in zip(vocabulary, kinds, strict=True) if k == _UNKNOWN), None)
    made = Tokenizer(
        models.BPE(
            vocabulary, generate_merges(vocabulary, scores, unmerged), unk_token=unknown,
            fuse_unk=True, byte_fallback=_BYTE in kinds,
        )
    )  # fmt: skip
    prefix = given.get("add_space_prefix", True)
    spaces = normalizers.Replace(" ", "▁")
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prefix else spaces
    undo = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*undo, *([decoders.Strip(" ", 1, 0)] if prefix else [])])
    return made


def _byte_level(
    given: Mapping[str, Any], vocabulary: dict[str, int], kinds: list[int], where: str
) -> Tokenizer:
    merges = [tuple(merge.split(" ")) for merge in given.get("merges", [])]
    split = given.get("pre") or "default"
    made = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=split in _LLAMA3))
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    single_digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), plain])

    def words(digits: str) -> pre_tokenizers.PreTokenizer:
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS % digits), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )

    splitters = {
        "default": plain, "gpt-2": plain, "olmo": plain, "smollm": single_digits,
        "starcoder": single_digits, "qwen2": words(""), **dict.fromkeys(_LLAMA3, words("{1,3}")),
    }  # fmt: skip
    if split not in splitters:
        raise InputError(
            f"{where}: the tokenizer splits words as {split!r}, which is not known here "
            f"({', '.join(splitters)}); {_OTHER}"
        )
    made.pre_tokenizer = splitters[split]
    made.decoder = decoders.ByteLevel()
    if split == "qwen2":
        made.normalizer = normalizers.NFC()  # of its tokenizer.json
    return made
