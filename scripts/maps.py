"""Write maps of every subject's brain: r, the preferred layer, tuned minus vanilla."""

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import xarray as xr
from brainalign.analysis.maps import maps, unplaced
from brainalign.formats.atomic import fresh_folder
from brainalign.formats.tables import write_json
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    scores, *vanilla = (
        xr.load_dataset(path, engine="h5netcdf")
        for path in (snakemake.input.scores, *snakemake.input.vanilla)
    )
    why = unplaced(scores)
    with fresh_folder(snakemake.output.maps) as folder:
        written = []
        for subject, quantity, image in maps(scores, *vanilla) if not why else ():
            name = f"{subject}_{quantity}.nii.gz"
            nib.save(image, Path(folder) / name)
            written.append(name)
        layers = dict(enumerate(scores["layer_name"].values.tolist()))
        write_json({"maps": written, "none": why, "layers": layers}, Path(folder) / "maps.json")
    log.info("%d maps%s", len(written), f": {why}" if why else "")
