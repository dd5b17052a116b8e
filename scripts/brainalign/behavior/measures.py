"""One measure of reading out of a dataset that holds several."""

import xarray as xr

from brainalign.errors import InputError


def of_measure(responses: xr.Dataset, measure: str | None) -> xr.Dataset:
    """The targets of one measure: those whose region it is. All targets where none is named.

    Parameters
    ----------
    responses : responses.nc of reading times, `responses` [stimulus, target], regions named by
        measure.

    Raises
    ------
    InputError : there is no such measure, or none is named and there are several.
    """
    regions = responses["region"].values.astype(str)
    had = list(dict.fromkeys(regions.tolist()))
    if measure is None:
        if len(had) > 1:
            raise InputError(
                f"responses hold the measures {', '.join(had)}; the benchmark must name one: "
                "measure"
            )
        return responses
    if measure not in had:
        raise InputError(f"responses hold no measure {measure!r}; they hold {', '.join(had)}")
    chosen = responses.isel(target=regions == measure)
    if "target_units" in chosen.coords:
        chosen.attrs["units"] = str(chosen["target_units"].values[0])
    return chosen
