"""The loss of labelled rows, and the check that a written checkpoint has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers.loss.loss_utils import ForCausalLMLoss, fixed_cross_entropy

from brainalign.errors import InputError
from brainalign.training.labelling import IGNORED, Row

CHECKED = 4  # rows whose loss the written checkpoint must have


def check_loss(model: Any, rows: Sequence[Row], facts: Mapping[str, Any]) -> float:
    """The loss of a written checkpoint on the first rows, which must be the trained network's.

    Parameters
    ----------
    model : as loaded from the checkpoint.
    facts : of the training, with `checked_loss` and `mixed_precision`.

    Raises
    ------
    InputError : it is another: the checkpoint is not what was trained.
    """
    batch = collate(rows[:CHECKED], model)
    labels = batch.pop("labels")
    with torch.no_grad():
        outputs = model(**batch)
    loss = float(label_loss(outputs, labels, None, not model.config.is_encoder_decoder))
    trained = facts["checked_loss"]
    if abs(loss - trained) > (0.05 if facts["mixed_precision"] else 1e-3) * max(1.0, trained):
        raise InputError(
            f"the checkpoint has a loss of {loss:.4f} on the first {len(rows[:CHECKED])} samples, "
            f"the trained network {trained:.4f}: it is not what was trained"
        )
    return loss


def collate(rows: Sequence[Row], model: Any) -> dict[str, torch.Tensor]:
    """Rows as one batch, padded on the right: int64 [row, position] each.

    Of preference pairs the preferred outputs come first, then the rejected ones in the same order.
    """
    if "rejected_ids" in rows[0]:
        rejected = [
            {"input_ids": row["rejected_ids"], "labels": row["rejected_labels"]} for row in rows
        ]
        rows = [*rows, *rejected]
    read, said = ([torch.tensor(row[key]) for row in rows] for key in ("input_ids", "labels"))
    pad = torch.nn.utils.rnn.pad_sequence
    labels = pad(said, batch_first=True, padding_value=IGNORED)
    batch = {
        "input_ids": pad(read, batch_first=True),
        "attention_mask": pad([torch.ones_like(ids) for ids in read], batch_first=True),
        "labels": labels,
    }
    if model.config.is_encoder_decoder:
        batch["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=labels)
    return batch


def log_likelihoods(outputs: Any, labels: torch.Tensor, shifted: bool) -> torch.Tensor:
    """Summed log-likelihood of each row's labels: float32 [row], nats (`shifted`: `label_loss`)."""
    logits = outputs.logits[:, :-1] if shifted else outputs.logits
    said = labels[:, 1:] if shifted else labels
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), said, ignore_index=IGNORED, reduction="none"
    )
    return -losses.sum(dim=1)


def preference_loss(margins: torch.Tensor, of_base: torch.Tensor, beta: float) -> torch.Tensor:
    """Loss of direct preference optimisation: float32 [pair] (Rafailov et al. 2023, eq. 7).

    Parameters
    ----------
    margins, of_base : log-likelihood of the preferred output minus that of the rejected one, under
        the network that is trained and under its frozen base, float32 [pair], nats.
    """
    return -torch.nn.functional.logsigmoid(beta * (margins - of_base))


def label_loss(
    outputs: Any, labels: torch.Tensor, n_labels: torch.Tensor | None, shifted: bool
) -> torch.Tensor:
    """Summed cross-entropy of the labels over `n_labels` (default: those here), nats per token, [].

    `labels` [row, token] (`IGNORED` counts for none), `outputs.logits` [row, token, token type].
    `shifted` says that each position predicts the next label (a decoder alone).
    """
    logits = outputs.logits
    if shifted:
        return ForCausalLMLoss(logits, labels, logits.shape[-1], num_items_in_batch=n_labels)
    return fixed_cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), num_items_in_batch=n_labels
    )
