"""The language-model head in float32, whatever the dtype of the model.

A 16-bit product rounds logits near 20 to steps of 1/8 (bfloat16) or 1/64 (float16): different
tokens tie, and differences of log-probabilities are lost. The weights and the hidden states keep
their dtype; what is computed from them is exact to float32.
"""

from collections.abc import Iterator
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

_WEIGHTS_AT_ONCE = 2**25  # 128 MiB in float32
_LOGITS_AT_ONCE = 2**23  # 32 MiB: what is larger is taken from the system every time


def logits_in_parts(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[Tensor]:
    """The logits after hidden states, some of the vocabulary at a time.

    Parameters
    ----------
    hidden : [position, unit], of any dtype, on the device of the weights.
    weight : [token, unit]; bias : [token], or None.

    Yields
    ------
    float32 [position, token], from the first token on.
    """
    n_tokens, width = weight.shape
    size = max(1, _LOGITS_AT_ONCE // max(1, len(hidden)))
    if weight.dtype is not torch.float32:
        size = min(size, max(1, _WEIGHTS_AT_ONCE // width))
    hidden = hidden.float()
    for first in range(0, n_tokens, size):
        part = slice(first, first + size)
        logits = hidden @ weight[part].float().T
        yield logits if bias is None else logits.add_(bias[part].float())


def use_float32(network: Any) -> None:
    """Let the network's head give float32 logits, in place; a float32 network is left as it is."""
    head = network.get_output_embeddings()
    if not isinstance(head, nn.Linear) or head.weight.dtype is torch.float32:
        return

    def forward(self: nn.Linear, hidden: Tensor) -> Tensor:
        rows = hidden.reshape(-1, hidden.shape[-1])
        logits = torch.cat(list(logits_in_parts(rows, self.weight, self.bias)), dim=1)
        return logits.reshape(*hidden.shape[:-1], -1)

    # accelerate calls `_old_forward` once the weights of an offloaded module are present.
    name = "_old_forward" if hasattr(head, "_old_forward") else "forward"
    setattr(head, name, MethodType(forward, head))
