"""Forward passes over many token sequences: batches under a token budget, padded on the right."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from brainalign.errors import InputError

log = logging.getLogger("brainalign")


def in_batches(
    lengths: Sequence[int], budget: int, work: Callable[[list[int]], None], what: str
) -> None:
    """Call `work` with the indices of each batch, longest sequences first.

    Parameters
    ----------
    lengths : tokens of each sequence.
    budget : a batch's padded size (sequences × longest) stays below it, unless it is a single one.
    work : is given a list of indices; when the GPU's memory does not suffice, it is called
        again with the halves.
    what : what is read, for the progress bar.

    Raises
    ------
    InputError : `budget` is not positive, or the memory does not suffice for one sequence.
    """
    if budget < 1:
        raise InputError(f"batch_tokens is {budget}, expected a positive number")
    order = sorted(range(len(lengths)), key=lambda k: (-lengths[k], k))
    with tqdm(total=len(order), desc=what, unit="sequence", disable=None) as bar:
        while order:
            size = max(1, budget // max(1, lengths[order[0]]))
            batch, order = order[:size], order[size:]
            _halving(work, batch, lengths)
            bar.update(len(batch))


def _halving(work: Callable[[list[int]], None], batch: list[int], lengths: Sequence[int]) -> None:
    try:
        work(batch)
        return
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise InputError(
                f"the device's memory does not suffice for one sequence of {lengths[batch[0]]} "
                f"tokens ({error})"
            ) from error
    # Outside the handler: its traceback would keep the failed batch's tensors.
    torch.cuda.empty_cache()
    log.info("out of memory with %d sequences at once: halving the batch", len(batch))
    _halving(work, batch[: len(batch) // 2], lengths)
    _halving(work, batch[len(batch) // 2 :], lengths)


def pad(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids padded on the right with 0, and their mask; int64 [sequence, token]."""
    width = max(len(ids) for ids in sequences)
    ids = torch.zeros((len(sequences), width), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for k, sequence in enumerate(sequences):
        ids[k, : len(sequence)] = torch.tensor(sequence, dtype=torch.int64)
        mask[k, : len(sequence)] = 1
    return ids.to(device), mask.to(device)


def decoder_start(model: Any) -> int:
    """The token id that a decoder begins with.

    Raises
    ------
    InputError : the model's config names none.
    """
    for key in ("decoder_start_token_id", "pad_token_id"):
        token = getattr(model.config, key, None)
        if token is not None:
            return int(token)
    raise InputError("the model's config.json has no decoder_start_token_id")
