"""Forward passes over many token sequences, in batches under a token budget."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import torch
from tqdm import tqdm

from brainalign.errors import InputError
from brainalign.models.memory import fits

LOG = logging.getLogger("brainalign")


def batch_budget(device: torch.device, batch_tokens: int | None = None) -> int:
    """Padded tokens of a batch: `batch_tokens`, by default what suits the device.

    On a CPU 1,024: larger batches leave its caches and are slower. On a GPU 16,384, which
    `in_batches` halves as long as they do not fit.

    Raises
    ------
    InputError : `batch_tokens` is not positive.
    """
    if batch_tokens is None:
        return 1024 if device.type == "cpu" else 16384
    if batch_tokens < 1:
        raise InputError(f"batch_tokens is {batch_tokens}, expected a positive number")
    return batch_tokens


def in_batches(
    lengths: Sequence[int],
    budget: int,
    work: Callable[[list[int]], None],
    what: str,
    alike: bool = False,
) -> None:
    """Call `work` with the indices of each batch, longest sequences first.

    Parameters
    ----------
    lengths : tokens of each sequence.
    budget : a batch's padded size (sequences × longest) stays below it, unless it is a single one.
    work : is given a list of indices; when the memory does not suffice, it is called again with
        half as many, and so are later batches.
    what : what is read, for the progress bar.
    alike : whether all sequences of a batch must be of one length.

    Raises
    ------
    InputError : the memory does not suffice for one sequence.
    """
    order = sorted(range(len(lengths)), key=lambda k: (-lengths[k], k))
    with tqdm(total=len(order), desc=what, unit="sequence", disable=None) as bar:
        while order:
            longest = max(1, lengths[order[0]])
            batch = order[: max(1, budget // longest)]
            if alike:
                batch = [k for k in batch if lengths[k] == lengths[order[0]]]
            if fits(partial(work, batch)):
                order = order[len(batch) :]
                bar.update(len(batch))
            elif len(batch) > 1:
                budget = len(batch) // 2 * longest
                LOG.info("out of memory: batches of %d tokens from here on", budget)
            else:
                raise InputError(
                    f"the memory does not suffice for one sequence of {longest} tokens"
                )
