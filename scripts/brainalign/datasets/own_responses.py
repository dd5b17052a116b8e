"""The responses of own data, whatever kind of file holds them."""

import xarray as xr

from brainalign.datasets import own_arrays, own_netcdf, own_response_table, own_scans, own_surfaces
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import Unpacked, read_targets
from brainalign.datasets.own_keys import ARRAYS, TABLES
from brainalign.datasets.settings import Own
from brainalign.errors import InputError


def read_responses(source: Own, file: Unpacked, findings: Findings) -> xr.Dataset:
    """The responses that a source names, in the project's form: `responses` [stimulus or volume,
    target], floating point.

    Untimed responses of a table are in the order of the file. Those of arrays, scans and surfaces
    have no ids: `own_form.in_order` gives them those of the stimuli.

    Raises
    ------
    InputError : a file is not of its kind, or says another kind of data than the config.
    """
    named = source.responses
    if not isinstance(named, str):
        read = own_surfaces.read if source.form == "surfaces" else own_scans.read
        return read(source, file, findings)
    where, content = file(named)
    if source.form in ARRAYS:
        targets = read_targets(*file(str(source.targets)), source.kind, findings)
        return own_arrays.read(content, where, source, targets, findings)
    if source.form in TABLES:
        given = source.targets
        columns = None if given is None else read_targets(*file(given), source.kind, findings)
        return own_response_table.read(content, where, source, columns, findings)
    responses = own_netcdf.read(content, where, findings)
    kind = source.kind
    if responses.attrs.get("kind") == "localizer":
        raise InputError(
            f"{where}: attribute kind is 'localizer'; a localizer is a table of strings, with key "
            "kind: localizer (docs/adding-a-dataset.md)"
        )
    if kind is not None and responses.attrs.get("kind", kind) != kind:
        raise InputError(
            f"{where}: attribute kind is {responses.attrs['kind']!r}, the config says {kind!r}"
        )
    return responses
