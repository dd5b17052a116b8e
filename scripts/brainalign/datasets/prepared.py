"""What every reader returns, and the parts that readers share."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.raw import Record
from brainalign.errors import InputError


@dataclass(frozen=True)
class Prepared:
    """A dataset in the project's own form (docs/architecture.md, "Files")."""

    stimuli: pd.DataFrame
    responses: xr.Dataset
    card: dict[str, Any]

    @classmethod
    def of(
        cls, stimuli: pd.DataFrame, responses: xr.Dataset, records: Sequence[Record], **about: Any
    ) -> "Prepared":
        """A dataset with its data card; `about`: the keywords of `card`."""
        return cls(stimuli, responses, card(stimuli, responses, records, **about))


def attributes(
    kind: str, units: str, source: str, licence: str, records: Iterable[Record], **more: Any
) -> dict[str, Any]:
    """The attributes of responses.nc; `more` adds to them (`tr`)."""
    hashes = {record.name: record.sha256 for record in records}
    return {
        "kind": kind,
        "units": units,
        "source": source,
        "licence": licence,
        "simulated": 0,
        "raw_sha256": json.dumps(hashes, sort_keys=True),
        **more,
    }


def card(
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    records: Sequence[Record],
    *,
    dataset: str,
    citation: str,
    dropped: Sequence[Mapping[str, Any]] = (),
    changed: Sequence[str] = (),
    notes: Sequence[str] = (),
    **checks: Any,
) -> dict[str, Any]:
    """The data card: what the dataset is, measured from what was read.

    Parameters
    ----------
    dropped : one entry per thing left out: `what`, `n`, `why`.
    changed : a line per change of what the files say.
    notes : how the data were read where a reader could have read them otherwise.
    checks : further measured facts under their own names.
    """
    values = responses["responses"]
    array = values.values
    missing = np.isnan(array)
    return {
        "dataset": dataset,
        "citation": citation,
        "kind": responses.attrs["kind"],
        "units": responses.attrs["units"],
        "source": responses.attrs["source"],
        "licence": responses.attrs["licence"],
        "simulated": bool(responses.attrs["simulated"]),
        "tr": responses.attrs.get("tr"),
        "stimuli": len(stimuli),
        "context_groups": int(stimuli["context_group"].nunique()),
        "split_groups": int(stimuli["split_group"].nunique()),
        "responses": {"dimensions": list(values.dims), "shape": list(values.shape)},
        "subjects": sorted(set(responses["subject"].values.astype(str).tolist())),
        "regions": sorted(set(responses["region"].values.astype(str).tolist())),
        "missing_share": float(missing.mean()),
        "mean": float(np.nanmean(array)),
        "sd": float(np.nanstd(array)),
        "dropped": [dict(entry) for entry in dropped],
        "changed": list(changed),
        "notes": list(notes),
        "raw_files": len(records),
        "raw_verified": all(record.verified for record in records),
        "raw_sha256": {record.name: record.sha256 for record in records},
        **checks,
    }


def expect(found: Any, expected: Any, where: str, what: str, tolerance: float = 0.0) -> None:
    """Raise an InputError unless a known count or sum of the real file comes out.

    The expectations are Brain-Score's own test values and the papers' counts; a file with the
    right hash that misses one is being read wrongly.
    """
    same = found == expected if tolerance == 0 else abs(found - expected) <= tolerance
    if not same:
        raise InputError(f"{where}: {what} is {found}, expected {expected}")
