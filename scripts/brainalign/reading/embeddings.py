"""A language model's word vectors: its input embeddings, which know words and no context."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from brainalign.models.loading import LanguageModel
from brainalign.reading.activations import prepare


def input_embeddings(
    model: LanguageModel, stimuli: pd.DataFrame, context: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """The mean input embedding of each stimulus' own tokens, and what the file should say of it.

    The tokens are those that the model reads in its context (`activations.prepare`). Vectors are
    the rows of its embedding table, without positions: no network runs.

    Returns
    -------
    float32 [stimulus, unit], and the metadata of the reading.

    Raises
    ------
    InputError : as `activations.prepare`.
    """
    reading = prepare(model, stimuli, context, "mean")
    table = model.model.get_input_embeddings()  # type: ignore[operator]
    device = table.weight.device
    rows: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        for sequence in reading.sequences:
            vectors = table(torch.as_tensor(sequence.ids, device=device)).float().cpu()
            spans = zip(sequence.rows, sequence.starts, sequence.stops, strict=True)
            rows |= {row: vectors[start:stop].mean(dim=0) for row, start, stop in spans}
    values = torch.stack([rows[row] for row in range(len(stimuli))]).numpy()
    return values, reading.metadata
