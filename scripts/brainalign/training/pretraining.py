"""Pre-training of small language models from scratch, decoder-only and encoder-decoder."""

import logging
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from brainalign.errors import InputError
from brainalign.formats.atomic import fresh_folder

LOG = logging.getLogger("brainalign")
ARCHITECTURES = ("decoder-only", "encoder-decoder")
LONG_EVERY, SHORT = 4, 16
"""One step in four sees sequences of the full length, the others of a sixteenth of it: attention
over long sequences is what costs, and positions need only be seen now and then."""
MASKED = 8
"""An encoder-decoder has one token in eight masked (T5: 15 %), at least two of a sequence."""
DECODER_ALONE = 0.4
"""Share of an encoder-decoder's steps in which its encoder reads only where a text begins and its
decoder predicts the next tokens: it has to say how likely running text is as well."""


class Pretrained(NamedTuple):
    """A trained model and its loss by step (columns step, tokens, loss in nats per token)."""

    model: PreTrainedModel
    log: pd.DataFrame


def new_model(
    architecture: str,
    tokenizer: PreTrainedTokenizerFast,
    layers: int,
    width: int,
    heads: int,
    max_length: int,
) -> PreTrainedModel:
    """A randomly initialised model (torch's global generator): LLaMA's or T5's class.

    Parameters
    ----------
    layers : blocks of the decoder; an encoder-decoder has as many again in its encoder.

    Raises
    ------
    InputError : an unknown `architecture`; `width` is not an even multiple of `heads`.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(f"architecture {architecture!r}, expected one of {ARCHITECTURES}")
    if width % heads or (width // heads) % 2:
        raise InputError(f"width {width} is not an even multiple of heads {heads}")
    tokens = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": True,
    }
    if architecture == "decoder-only":
        return LlamaForCausalLM(
            LlamaConfig(
                hidden_size=width,
                intermediate_size=3 * width,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                max_position_embeddings=max_length,
                initializer_range=width**-0.5 / 2,
                **tokens,
            )
        )
    return T5ForConditionalGeneration(
        T5Config(
            d_model=width,
            d_kv=width // heads,
            d_ff=2 * width,
            num_layers=layers,
            num_heads=heads,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            **tokens,
            # transformers reads both from the config, yet does not declare them for T5.
            **{"decoder_start_token_id": tokenizer.pad_token_id, "n_positions": max_length},
        )
    )


class PackedText:
    """Documents as one stream of tokens, each after an end-of-text token."""

    def __init__(self, documents: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> None:
        end = tokenizer.eos_token_id
        encoded = tokenizer(list(documents), add_special_tokens=False)["input_ids"]
        lengths = np.array([len(ids) + 1 for ids in encoded])
        self.starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self.stream = np.concatenate([np.array([end, *ids], dtype=np.int64) for ids in encoded])

    def batch(self, n: int, length: int, rng: np.random.Generator) -> torch.Tensor:
        """`n` sequences that start at documents, int64 [n, length]; the stream is a ring."""
        starts = self.starts[rng.integers(len(self.starts), size=n)]
        index = (starts[:, None] + np.arange(length)) % len(self.stream)
        return torch.from_numpy(self.stream[index])


class Masking(NamedTuple):
    """Token ids, int64: the sentinels `<extra_id_0>` …, what is masked first, and what last."""

    sentinels: np.ndarray
    salient: np.ndarray
    spared: np.ndarray

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast, salient: Iterable[str]) -> "Masking":
        """`salient` are words; the end-of-text token is spared.

        Raises
        ------
        InputError : the tokenizer has no sentinels.
        """
        vocabulary = tokenizer.get_vocab()
        sentinels = [token for token in vocabulary if token.startswith("<extra_id_")]
        if not sentinels:
            raise InputError("the tokenizer has no <extra_id_0>, which span corruption needs")
        sentinels.sort(key=lambda token: int(token.removeprefix("<extra_id_").rstrip(">")))
        words = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in salient]
        return cls(
            np.array([vocabulary[token] for token in sentinels]),
            np.unique([token for word in words for token in word]).astype(np.int64),
            np.array([tokenizer.eos_token_id]),
        )


def corrupt(
    tokens: np.ndarray, masking: Masking, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Span corruption (Raffel et al. 2020, section 3.1.4), with spans of one token.

    Salient tokens are masked before others (Guu et al. 2020, section 3.4): in a few minutes of
    training a small model learns only such facts as it is made to recall.

    Parameters
    ----------
    tokens : int64 [sequence, position].

    Returns
    -------
    What the encoder reads, of the same shape, with a sentinel for each masked token; what
    the decoder says, int64 [sequence, 2 × masked]: each sentinel and the token that it hides.
    """
    n, length = tokens.shape
    masked = min(len(masking.sentinels), max(2, length // MASKED))
    rank = rng.random(tokens.shape)
    rank = rank - np.isin(tokens, masking.salient) + np.isin(tokens, masking.spared)
    positions = np.sort(rank.argsort(axis=1)[:, :masked], axis=1)
    sentinels = np.broadcast_to(masking.sentinels[:masked], (n, masked))
    said = np.stack([sentinels, np.take_along_axis(tokens, positions, axis=1)], axis=2)
    read = tokens.copy()
    np.put_along_axis(read, positions, sentinels, axis=1)
    return read, said.reshape(n, 2 * masked)


def language_model_loss(
    model: PreTrainedModel,
    tokens: torch.Tensor,
    rng: np.random.Generator,
    masking: Masking | None = None,
) -> torch.Tensor:
    """Mean cross-entropy of `tokens`, int64 [text, token], in nats per token, [].

    It is of the next tokens; with `masking`, for an encoder-decoder, of what `corrupt` hides or, in
    `DECODER_ALONE` of the calls, of the next tokens after the first, which the encoder reads.
    """
    if masking is None:
        return model(input_ids=tokens, labels=tokens, use_cache=False).loss
    if rng.random() < DECODER_ALONE:
        read, said = tokens[:, :1], tokens[:, 1:].contiguous()
    else:
        read, said = map(torch.from_numpy, corrupt(tokens.numpy(), masking, rng))
    return model(input_ids=read, labels=said, use_cache=False).loss


def pretrain(
    documents: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    *,
    architecture: str,
    layers: int,
    width: int,
    heads: int,
    steps: int,
    batch_tokens: int,
    learning_rate: float,
    seed: int,
    max_length: int = 256,
    salient: Iterable[str] = (),
) -> Pretrained:
    """Train a model from scratch: AdamW, 5 % warm-up, cosine decay to a tenth, clipped gradients.

    A decoder-only model learns to predict the next token, an encoder-decoder that and to restore
    masked ones, of which the words in `salient` are masked first (see `corrupt`).

    Raises
    ------
    InputError : a size does not fit, or the loss is not finite.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = new_model(architecture, tokenizer, layers, width, heads, max_length)
    text = PackedText(documents, tokenizer)
    masking = Masking.of(tokenizer, salient) if model.config.is_encoder_decoder else None
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    warm_up = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: (
            min(1.0, (step + 1) / warm_up) * (0.55 + 0.45 * math.cos(math.pi * step / steps))
        ),
    )
    model.train()
    records = []
    begun = time.monotonic()
    for step in range(steps):
        length = max_length if step % LONG_EVERY == 0 else max_length // SHORT
        tokens = text.batch(max(1, batch_tokens // length), length, rng)
        loss = language_model_loss(model, tokens, rng, masking)
        if not torch.isfinite(loss):
            raise InputError(f"step {step}: the loss is {loss.item()}; lower the learning rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        records.append((step, tokens.numel(), loss.item()))
        if (step + 1) % max(1, steps // 10) == 0:
            LOG.info(
                "step %d of %d, loss %.3f, %.0f s",
                step + 1, steps, loss.item(), time.monotonic() - begun,
            )  # fmt: skip
    model.eval()
    log = pd.DataFrame(records, columns=["step", "tokens", "loss"])
    return Pretrained(model, log.assign(tokens=log["tokens"].cumsum()))


def save_checkpoint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: str | Path
) -> None:
    """Write weights (safetensors), configuration and tokenizer, complete or not at all."""
    with fresh_folder(folder) as partial:
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)


def summary(log: pd.DataFrame) -> dict[str, Any]:
    """What the manifest keeps of a loss log (`step`, `tokens`, `loss` in nats per token)."""
    tail = log["loss"].tail(max(1, len(log) // 20))
    return {
        "steps": len(log),
        "tokens": int(log["tokens"].iloc[-1]),
        "first_loss": float(log["loss"].iloc[0]),
        "last_loss": float(tail.mean()),
    }
