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
from brainalign.formats.datasets import is_timed

PART = 1 << 20  # values that are looked at together


@dataclass(frozen=True)
class Prepared:
    """A dataset in the project's form (docs/architecture.md, "Files")."""

    stimuli: pd.DataFrame
    responses: xr.Dataset
    card: dict[str, Any]

    @classmethod
    def of(
        cls, stimuli: pd.DataFrame, responses: xr.Dataset, records: Sequence[Record], **about: Any
    ) -> "Prepared":
        """A dataset, `responses` [stimulus or volume, target], with its data card; `about`: the
        keywords of `card`.
        """
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
    stimuli, responses : the dataset; `responses` [stimulus or volume, target].
    dropped : one entry per thing left out: `what`, `n`, `why`.
    changed : a line per change of what the files say.
    notes : how the data were read where a reader could have read them otherwise.
    checks : further measured facts under their names.
    """
    values = responses["responses"]
    missing, mean, sd = moments(values.values)
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
        "locations": _locations(responses),
        "missing_share": missing,
        "mean": mean,
        "sd": sd,
        "dropped": [dict(entry) for entry in dropped],
        "changed": list(changed),
        "notes": list(notes),
        "raw_files": len(records),
        "raw_verified": all(record.verified for record in records),
        "raw_sha256": {record.name: record.sha256 for record in records},
        **checks,
    }


def _locations(responses: xr.Dataset) -> str:
    """Where in a brain targets lie, as far as the data say."""
    space = responses.attrs.get("space")
    if "vertex" in responses.coords:
        return f"vertices of {space}"
    if "x" in responses.coords and "affine" in responses.attrs:
        return f"voxels in {space}" if space else "voxels in each subject's space"
    return "none: no maps are drawn" if responses.attrs["kind"] == "brain" else ""


def moments(values: np.ndarray) -> tuple[float, float, float]:
    """The share of NaN in `values` [row, target], and mean and standard deviation of the others, in
    parts of the rows.

    A whole brain's responses fill the memory: no second array of their size is made.
    """
    parts = np.array_split(values, 1 + values.size // PART)
    n = sum(int((~np.isnan(part)).sum()) for part in parts)
    if not n:
        return 1.0, np.nan, np.nan
    mean = sum(float(np.nansum(part, dtype=np.float64)) for part in parts) / n
    squares = sum(float(np.nansum((part - np.float64(mean)) ** 2)) for part in parts)
    return 1 - n / values.size, mean, float(np.sqrt(squares / n))


def check_timing(
    responses: xr.Dataset, dataset: str, with_timing: Iterable[str], without: Iterable[str]
) -> None:
    """Raise an InputError unless benchmarks have `timing` just where a row of `responses` [stimulus
    or volume, target] is a volume of a scan.

    Parameters
    ----------
    dataset : its name in the study.
    with_timing, without : names of its brain benchmarks that have the key, and that lack it.
    """
    if responses.attrs["kind"] != "brain":
        return
    if is_timed(responses):
        for name in without:
            raise InputError(
                f"alignment.{name}.timing: is missing; the rows of {dataset} are volumes of a "
                "scan: give it, for instance {features: fir, delays: [1, 2, 3, 4]} "
                "(docs/adding-a-dataset.md, Timed data)"
            )
    else:
        for name in with_timing:
            raise InputError(
                f"alignment.{name}.timing: the rows of {dataset} are stimuli, not volumes of a "
                "scan; leave the key out"
            )


def expect(actual: Any, expected: Any, where: str, what: str, tolerance: float = 0.0) -> None:
    """Raise an InputError unless a known count or sum of the real file comes out.

    The expectations are Brain-Score's test values and the papers' counts; a file with the
    right hash that misses one is being read wrongly.
    """
    same = actual == expected if tolerance == 0 else abs(actual - expected) <= tolerance
    if not same:
        raise InputError(f"{where}: {what} is {actual}, expected {expected}")
