"""Greedy decoding of a batch, with ties broken by rule."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from brainalign.capability.batches import Context

# Values nearer than this (nats) count as equal: rounding differs by less between batches, so that
# the answer depends on neither batch size nor order.
TIE = 1e-4


@torch.inference_mode()
def greedy(
    context: Context, max_new_tokens: int, ends: Callable[[int, list[int]], bool]
) -> tuple[list[list[int]], list[bool]]:
    """The most likely token, again and again, until a row ends.

    Parameters
    ----------
    context : what the rows have read.
    max_new_tokens : the most tokens of a row.
    ends : whether a row (its number) ends with these new tokens, the last of which is included in
        the answer.

    Returns
    -------
    tokens : per row its new tokens, the ending one included.
    tied : per row whether any of its choices was a tie; the smallest token id is then taken.
    """
    n_rows = len(context.logits)
    tokens: list[list[int]] = [[] for _ in range(n_rows)]
    tied = [False] * n_rows
    rows = list(range(n_rows))  # which row each row of the context is
    writing = set(rows)
    for step in range(max_new_tokens):
        best = context.logits.max(dim=1, keepdim=True).values
        near = context.logits >= best - TIE
        chosen = near.to(torch.int8).argmax(dim=1)  # the first of the nearest
        ambiguous = (near.sum(dim=1) > 1).tolist()
        for row, token, tie in zip(rows, chosen.tolist(), ambiguous, strict=True):
            if row in writing:
                tokens[row].append(token)
                tied[row] |= tie
                if ends(row, tokens[row]):
                    writing.remove(row)
        if not writing or step == max_new_tokens - 1:
            break
        # Leaving ended rows out copies what is held of the others: worth it for a quarter.
        if len(writing) <= 0.75 * len(rows):
            going = torch.tensor([index for index, row in enumerate(rows) if row in writing])
            context, chosen = context.select(going), chosen[going]
            rows = [row for row in rows if row in writing]
        _, context = context.read(chosen[:, None].to(context.mask.device))
    return tokens, tied


class Writer:
    """When an answer ends, and what text its tokens stand for.

    Parameters
    ----------
    network, tokenizer : the model's; its generation config and its tokenizer name the tokens that
        end a text.
    turn_ends : further tokens that end one, where the vocabulary has them.
    """

    def __init__(self, network: Any, tokenizer: Any, turn_ends: Iterable[str] = ()) -> None:
        named = getattr(network.generation_config, "eos_token_id", None)
        named = named if isinstance(named, list) else [named]
        vocabulary = tokenizer.get_vocab()
        self.end_tokens = {
            *named, tokenizer.eos_token_id, *(vocabulary.get(token) for token in turn_ends)
        } - {None}  # fmt: skip
        self.tokenizer = tokenizer
        self._breaks: dict[int, bool] = {}

    def text(self, tokens: list[int]) -> str:
        """The text of an answer's tokens, without special tokens."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def ends(self, tokens: list[int], settled: Callable[[str], bool]) -> bool:
        """Whether an answer with these tokens has ended: by an end token, or settled.

        Parameters
        ----------
        settled : whether a text ends the answer; it is asked only where a token breaks the line.
        """
        last = tokens[-1]
        if last in self.end_tokens:
            return True
        if last not in self._breaks:  # the whole text is decoded only where its end may be
            self._breaks[last] = "\n" in self.tokenizer.decode([last])
        return self._breaks[last] and settled(self.text(tokens))
