"""Converting weights to a safetensors checkpoint: GGUF files, weight deltas."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from brainalign.errors import InputError
from brainalign.formats.atomic import fresh_folder
from brainalign.models.loading import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from brainalign.models.manifest import TEXT_SUFFIXES, weight_files

NEW_ROWS = ("mean", "zero")


def copy_text_files(folder: Path, target: Path) -> None:
    """Copy what is not weights: config, tokenizer, chat template, index."""
    for file in folder.iterdir():
        if file.is_file() and file.suffix in TEXT_SUFFIXES:
            shutil.copyfile(file, target / file.name)


def convert_gguf(
    path: Path, folder: Path, dtype: str = "float32", tokenizer: Path | None = None
) -> None:
    """Write the model and the tokenizer of a GGUF file as a checkpoint folder.

    Quantised weights are the numbers that the file stands for, in `dtype`.

    Parameters
    ----------
    path : the GGUF file.
    folder : where the checkpoint goes.
    dtype : `float32`, `bfloat16` or `float16`.
    tokenizer : folder of a tokenizer to use in place of the file's own.

    Raises
    ------
    InputError : transformers cannot read the file, or its tokenizer splits words in a way that
        is not known here.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=getattr(torch, dtype), local_files_only=True
        )
    except Exception as error:
        raise InputError(f"{path}: transformers cannot read this GGUF file ({error})") from error
    config = model.config
    # A model that came from a GGUF file refuses to be saved: a fresh one takes its weights.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = type(model)(config).to(getattr(torch, dtype))
    fresh.load_state_dict(model.state_dict())
    with fresh_folder(folder) as partial:
        fresh.save_pretrained(partial)
        if tokenizer is None:
            gguf_tokenizer(path).save_pretrained(partial)
        else:
            AutoTokenizer.from_pretrained(tokenizer, local_files_only=True).save_pretrained(partial)


def gguf_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a GGUF file, as the file describes it.

    transformers leaves three things out that the file says: how byte-level BPE splits words
    before merging (`tokenizer.ggml.pre`), which token ends a text, and which tokens are control
    tokens.
    """
    from gguf import GGUFReader
    from tokenizers import decoders, pre_tokenizers

    tokenizer: Any = AutoTokenizer.from_pretrained(
        path.parent, gguf_file=path.name, local_files_only=True
    )
    fields = {
        name: field
        for name, field in GGUFReader(path).fields.items()
        if name.startswith("tokenizer.ggml.")
    }

    def value(key: str) -> Any:
        field = fields.get(f"tokenizer.ggml.{key}")
        return None if field is None else field.contents()

    if value("model") == "gpt2":
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        # llama.cpp, src/llama-vocab.cpp: the regular expressions of these kinds.
        single_digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level])
        splitters = {
            "default": byte_level, "gpt-2": byte_level, "olmo": byte_level,
            "smollm": single_digits, "starcoder": single_digits,
        }  # fmt: skip
        kind = value("pre") or "default"
        if kind not in splitters:
            raise InputError(
                f"{path}: the tokenizer splits words as {kind!r}, which is not known here "
                f"({', '.join(splitters)}); give the folder of the model's own tokenizer as "
                "`tokenizer` of the source"
            )
        tokenizer.backend_tokenizer.pre_tokenizer = splitters[kind]
        tokenizer.backend_tokenizer.decoder = decoders.ByteLevel()
        tokenizer.clean_up_tokenization_spaces = (
            False  # it would take spaces out of what is decoded
        )
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    for role, key in {
        "bos_token": "bos_token_id",
        "eos_token": "eos_token_id",
        "pad_token": "padding_token_id",
        "unk_token": "unknown_token_id",
    }.items():
        if value(key) is not None:
            setattr(tokenizer, role, pieces[value(key)])
    control = [piece for piece, kind in zip(pieces, value("token_type") or [], strict=False)
               if kind == 3]  # fmt: skip
    tokenizer.add_special_tokens({"additional_special_tokens": control})
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    return tokenizer


def add_delta(base: Path, delta: Path, folder: Path, new_rows: str | None = None) -> None:
    """Write base + delta as a checkpoint with the delta's config and tokenizer.

    Sums are float32, written in the delta's dtype, one file in memory at a time.

    Parameters
    ----------
    base, delta : checkpoint folders with the same tensors.
    folder : where the sum goes.
    new_rows : what stands for rows of the embedding matrices that the base does not have (tokens
        added in tuning): `mean` of the base's rows (Stanford Alpaca, weight_diff.py) or `zero`
        (StableVicuna, apply_delta.py).

    Raises
    ------
    InputError : tensors of one are absent from the other or of another shape.
    """
    shapes = {name: shape for file in weight_files(base) for name, shape in _shapes(file).items()}
    holders = {name: file for file in weight_files(base) for name in _shapes(file)}
    used: set[str] = set()
    with fresh_folder(folder) as partial:
        copy_text_files(delta, partial)
        for file in weight_files(delta):
            total: dict[str, torch.Tensor] = {}
            with safe_open(file, framework="pt") as deltas:
                for name in deltas.keys():  # noqa: SIM118 - a safetensors file is no mapping
                    change = deltas.get_tensor(name)
                    if name.endswith("rotary_emb.inv_freq"):
                        total[name] = change  # a constant, not a difference
                        continue
                    if name not in shapes:
                        raise InputError(f"{base}: has no tensor {name}, which {file} changes")
                    with safe_open(holders[name], framework="pt") as bases:
                        start = bases.get_tensor(name).float()
                    start = _with_new_rows(start, change, new_rows, f"{file}: {name}")
                    total[name] = (start + change.float()).to(change.dtype)
                    used.add(name)
            save_file(total, partial / file.name, metadata={"format": "pt"})
        left = {name for name in shapes if not name.endswith("rotary_emb.inv_freq")} - used
        if left:
            raise InputError(f"{delta}: has no tensor {min(left)}, which {base} has")


def _shapes(file: Path) -> dict[str, list[int]]:
    with safe_open(file, framework="pt") as tensors:
        return {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118


def _with_new_rows(
    base: torch.Tensor, change: torch.Tensor, new_rows: str | None, where: str
) -> torch.Tensor:
    if base.shape == change.shape:
        return base
    added = change.shape[0] - base.shape[0]
    if base.ndim != 2 or base.shape[1:] != change.shape[1:] or added < 1:
        raise InputError(f"{where}: shape {tuple(change.shape)}, the base has {tuple(base.shape)}")
    if new_rows not in NEW_ROWS:
        raise InputError(
            f"{where}: {added} rows more than the base has: new_rows must be one of "
            f"{', '.join(NEW_ROWS)}, it is {json.dumps(new_rows)}"
        )
    rows = base.mean(0, keepdim=True) if new_rows == "mean" else torch.zeros_like(base[:1])
    return torch.cat([base, rows.expand(added, -1)])
