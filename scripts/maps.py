"""Write maps of every subject's brain: r, q, the preferred layer, tuned minus vanilla."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.analysis.maps import write_maps
from brainalign.formats.atomic import fresh_folder
from brainalign.formats.tables import read_table
from brainalign.formats.targets import open_targets
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, ExitStack() as files:
    scores, *vanilla = (
        files.enter_context(open_targets(path))
        for path in (snakemake.input.scores, *snakemake.input.vanilla)
    )
    contrast = [read_table(path) for path in snakemake.input.contrast]
    with fresh_folder(snakemake.output.maps) as folder:
        record = write_maps(
            scores, vanilla[0] if vanilla else None, contrast[0] if contrast else None, Path(folder)
        )
    log.info("%d maps%s", len(record["maps"]), f": {record['none']}" if record["none"] else "")
