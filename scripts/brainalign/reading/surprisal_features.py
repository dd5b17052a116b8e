"""Surprisal as a feature: how unexpected each stimulus is to a model, one number."""

import numpy as np
import pandas as pd

from brainalign.errors import InputError


def surprisal_features(surprisal: pd.DataFrame, where: str) -> tuple[np.ndarray, int]:
    """The bits of every stimulus, float32 [row, 1], and how many have none.

    A stimulus without anything before it has no surprisal: the mean of the others stands there,
    which says nothing.

    Parameters
    ----------
    surprisal : a surprisal file: `bits`. where : its path, for messages.

    Raises
    ------
    InputError : no stimulus has a surprisal.
    """
    bits = surprisal["bits"].to_numpy(float)
    unknown = np.isnan(bits)
    if unknown.all():
        raise InputError(f"{where}: no stimulus has a surprisal, so there is nothing to predict by")
    values = np.where(unknown, bits[~unknown].mean(), bits)
    return values[:, None].astype(np.float32), int(unknown.sum())
