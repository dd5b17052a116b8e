"""Draw the alignment of every layer in every region of one benchmark."""

from typing import TYPE_CHECKING

import pandas as pd
from brainalign.figures.regions import ALIGNMENT_COLUMNS, CEILING_COLUMNS, regions
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    params = snakemake.params
    tables = [
        read_table(path, ALIGNMENT_COLUMNS).assign(
            model=name, family=record["family"], role=record["role"]
        )
        for (name, record), path in zip(
            params.models.items(), snakemake.input.alignment, strict=True
        )
    ]
    alignment = pd.concat(tables, ignore_index=True)
    log.info("%d models, %d regions", len(tables), alignment["region"].nunique() - 1)
    figure = regions(
        alignment,
        read_table(snakemake.input.ceilings, CEILING_COLUMNS),
        benchmark=snakemake.wildcards.benchmark,
        mode=params.mode,
        simulated=params.simulated,
    )
    save(figure, snakemake.output.svg, snakemake.output.png)
