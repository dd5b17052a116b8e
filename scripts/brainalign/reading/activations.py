"""Activations: the hidden states of every layer of a model, pooled over each stimulus' tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from brainalign.errors import InputError
from brainalign.models.architectures import capture, run_body
from brainalign.models.inputs import decoder_start, padded
from brainalign.models.loading import LanguageModel
from brainalign.reading.contexts import chains
from brainalign.reading.forward import batch_budget, in_batches
from brainalign.reading.sequences import Specials, TokenSequence, plan, special_tokens

POOLINGS = ("last", "mean", "sum")
DECODER_INPUTS = ("shifted", "start")


@dataclass(frozen=True)
class Extraction:
    """What is to be read, laid out; `run` reads it.

    `metadata`: the settings, and `tokens_fed` (text tokens), `unknown_tokens` (those among them
    that stand for text outside the vocabulary), `sequences`, `truncated` (number of
    stimuli whose context was cut) and `truncated_stimuli` (their ids).
    """

    model: LanguageModel
    specials: Specials
    pooling: str
    decoder_input: str
    sequences: list[TokenSequence]
    metadata: dict[str, Any]

    def run(
        self,
        write: Callable[[list[int], dict[str, np.ndarray]], None],
        batch_tokens: int | None = None,
        done: Collection[int] = (),
    ) -> None:
        """Hand over the activations batch by batch.

        Parameters
        ----------
        write : is called with row numbers and layer name → float32 [row, unit].
        batch_tokens : padded tokens of a batch (default: `forward.batch_budget`); changes no
            value beyond rounding.
        done : rows that need not be read.
        """
        finished = frozenset(done)
        sequences = [s for s in self.sequences if not finished.issuperset(s.rows)]
        budget = batch_budget(self.model.device, batch_tokens)
        with _reader(self.model, self.specials, self.pooling, self.decoder_input) as read:

            def work(batch: list[int]) -> None:
                chosen = [sequences[k] for k in batch]
                states = read(chosen)
                rows = [row for sequence in chosen for row in sequence.rows]
                write(rows, {name: states[name].cpu().numpy() for name in self.model.layers})

            in_batches(
                [len(s.ids) for s in sequences],
                budget,
                work,
                "activations",
                self.model.wants_equal_lengths,
            )


def prepare(
    model: LanguageModel,
    stimuli: pd.DataFrame,
    context: str,
    pooling: str = "last",
    bos: str = "default",
    decoder_input: str = "shifted",
    presentation: str = "raw",
) -> Extraction:
    """Lay out the reading of a dataset.

    The values will be those of feeding each stimulus by itself with its whole context, truncated
    on the left to the model's limit.

    Parameters
    ----------
    stimuli : table with `stimulus_id`, `text` and `context_group`, in reading order.
    context : a rule of reading/contexts.py.
    pooling : `last`, `mean` or `sum` over the stimulus' tokens (special tokens are no one's).
    bos, presentation : what stands before the text (see `sequences.special_tokens`).
    decoder_input : what an encoder-decoder model's decoder reads: `shifted`, the same text after
        the start token, pooled where the decoder reads the stimulus' tokens; `start`, the
        start token alone.

    Raises
    ------
    InputError : an unknown setting; a stimulus without tokens or longer than the model's limit.
    """
    _check(pooling, "pooling", POOLINGS)
    _check(decoder_input, "decoder_input", DECODER_INPUTS)
    specials = special_tokens(model.tokenizer, model.architecture, bos, presentation)
    ids = stimuli["stimulus_id"].tolist()
    reading = plan(
        chains(stimuli, context),
        model.tokenizer,
        model.max_context - len(specials),
        ids,
        share=model.architecture == "decoder-only",
        specials=specials,
    )
    metadata = {
        "model": model.name,
        "context": context,
        "pooling": pooling,
        "bos": bos,
        "presentation": presentation,
        **({"opening": specials.opening} if specials.opening else {}),
        "max_context": model.max_context,
        "tokens_fed": reading.tokens,
        "unknown_tokens": sum(
            int((sequence.ids == model.tokenizer.unk_token_id).sum())
            for sequence in reading.sequences
        ),
        "sequences": len(reading.sequences),
        "truncated": int(reading.truncated.sum()),
        "truncated_stimuli": [ids[row] for row in np.flatnonzero(reading.truncated)],
    }
    if model.architecture == "encoder-decoder":
        metadata["decoder_input"] = decoder_input
    return Extraction(model, specials, pooling, decoder_input, reading.sequences, metadata)


def _check(value: str, key: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{key} {value!r}: expected one of {', '.join(allowed)}")


@contextmanager
def _reader(
    model: LanguageModel, specials: Specials, pooling: str, decoder_input: str
) -> Iterator[Callable[[list[TokenSequence]], dict[str, Tensor]]]:
    """A function from a batch of sequences to layer name → pooled float32 [stimulus, unit]."""
    before, after = list(specials.before), list(specials.after)
    spans: dict[str, _Spans] = {}
    decoder_layers = tuple(name for name in model.layers if name.startswith("decoder."))
    other_layers = tuple(name for name in model.layers if name not in decoder_layers)

    def run(batch: list[TokenSequence]) -> None:
        ids, mask = padded([before + s.ids.tolist() + after for s in batch], model.device)
        spans["text"] = _Spans.of(batch, len(before), pooling)
        if model.architecture == "encoder-decoder":
            start = [decoder_start(model.model)]
            if decoder_input == "shifted":
                decoder_ids, _ = padded([start + s.ids.tolist() for s in batch], model.device)
                spans["decoder"] = _Spans.of(batch, len(start), pooling)
            else:
                decoder_ids, _ = padded([start for s in batch], model.device)
                spans["decoder"] = _Spans.at_start(batch)
            run_body(model.model, ids, mask, decoder_ids)
        elif model.architecture == "decoder-only":
            # What lies to the right is not seen: no mask is needed, and without one it is faster.
            run_body(model.model, ids)
        else:
            run_body(model.model, ids, mask)

    with (
        torch.inference_mode(),
        capture(model.model, other_layers, lambda state: spans["text"].pool(state)) as text,
        capture(model.model, decoder_layers, lambda state: spans["decoder"].pool(state)) as decoder,
    ):

        def read(batch: list[TokenSequence]) -> dict[str, Tensor]:
            run(batch)
            return {**text, **decoder}

        yield read


@dataclass(frozen=True)
class _Spans:
    """Token positions to pool: the next `lengths[k]` ones belong to stimulus k of a batch."""

    sequence: Tensor
    token: Tensor
    lengths: Tensor
    pooling: str

    @classmethod
    def of(cls, batch: list[TokenSequence], offset: int, pooling: str) -> _Spans:
        """The own tokens of a batch's stimuli, `offset` positions to the right."""
        spans = [
            (k, stop - 1 if pooling == "last" else start, stop)
            for k, sequence in enumerate(batch)
            for start, stop in zip(sequence.starts, sequence.stops, strict=True)
        ]
        return cls(
            torch.tensor([k for k, start, stop in spans for _ in range(start, stop)]),
            torch.tensor([t + offset for _, start, stop in spans for t in range(start, stop)]),
            torch.tensor([stop - start for _, start, stop in spans]),
            pooling,
        )

    @classmethod
    def at_start(cls, batch: list[TokenSequence]) -> _Spans:
        """The first position of each stimulus' sequence."""
        sequence = [k for k, chosen in enumerate(batch) for _ in chosen.rows]
        zeros = torch.zeros(len(sequence), dtype=torch.int64)
        return cls(torch.tensor(sequence), zeros, zeros + 1, "last")

    def pool(self, state: Tensor) -> Tensor:
        """From [sequence, token, unit] to float32 [stimulus, unit]."""
        device = state.device
        states = state[self.sequence.to(device), self.token.to(device)].float()
        if self.pooling == "last":
            return states
        return torch.segment_reduce(states, self.pooling, lengths=self.lengths.to(device))
