"""Draw the maps of a model's scores on a benchmark: r, the preferred layer, tuned minus vanilla."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.figures.maps import maps, read_brains
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_json
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    folder = Path(snakemake.input.maps)
    record = read_json(folder / "maps.json")
    figure = maps(
        read_brains(folder, record["maps"]),
        list(record["layers"].values()),
        model=snakemake.params.label,
        benchmark=snakemake.wildcards.benchmark,
        space=record["space"],
        none=record["none"],
        level=snakemake.params.level,
        simulated=snakemake.params.simulated,
    )
    save(figure, snakemake.output.svg, snakemake.output.png)
    log.info("%d maps%s", len(record["maps"]), f": {record['none']}" if record["none"] else "")
