"""What a localizer has in place of responses: the condition of each of its stimuli."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.prepared import attributes
from brainalign.datasets.raw import Record
from brainalign.formats.datasets import responses_to


def conditions(
    ids: Sequence[str],
    texts: Sequence[str],
    sentences: Sequence[bool],
    source: str,
    licence: str,
    records: Sequence[Record] = (),
) -> tuple[pd.DataFrame, xr.Dataset]:
    """The stimuli, each a text by itself, and their condition, float32 [stimulus, 1]: 1 a sentence,
    0 none.
    """
    stimuli = pd.DataFrame(
        {
            "stimulus_id": list(ids),
            "text": list(texts),
            "context_group": list(ids),
            "position": 0,
            "split_group": list(ids),
            "onset": np.nan,
            "offset": np.nan,
        }
    )
    responses = responses_to(
        stimuli,
        {"responses": np.array(sentences, np.float32)[:, None]},
        {"target_id": ["sentence"], "subject": ["all"], "region": ["all"]},
        attributes("localizer", "1: a sentence, 0: none", source, licence, records),
    )
    return stimuli, responses
