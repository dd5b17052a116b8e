"""Activations of a model in memory."""

from typing import Any

import numpy as np
import pandas as pd
from brainalign.models.loading import LanguageModel
from brainalign.reading.activations import prepare


def extract(
    model: LanguageModel,
    stimuli: pd.DataFrame,
    context: str,
    pooling: str = "last",
    batch_tokens: int | None = None,
    **settings: Any,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Activations in memory: layer name → float32 [stimulus, unit], and the metadata.

    `settings` are those of `prepare`.
    """
    extraction = prepare(model, stimuli, context, pooling, **settings)
    layers: dict[str, np.ndarray] = {}

    def write(rows: list[int], values: dict[str, np.ndarray]) -> None:
        for name, value in values.items():
            if name not in layers:
                layers[name] = np.empty((len(stimuli), value.shape[1]), np.float32)
            layers[name][rows] = value

    extraction.run(write, batch_tokens)
    return layers, extraction.metadata
