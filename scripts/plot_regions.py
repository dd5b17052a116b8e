"""Draw the alignment of every layer in every region, of one benchmark."""

from typing import TYPE_CHECKING

import pandas as pd
from brainalign.figures.regions import ALIGNMENT_COLUMNS, CEILING_COLUMNS, regions
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ("model", "family", "role")

with job(snakemake.log[0]) as log, drawing():
    tables = [
        read_table(path, ALIGNMENT_COLUMNS).assign(**{key: record[key] for key in KEYS})
        for path, record in zip(snakemake.input.alignment, snakemake.params.models, strict=True)
    ]
    alignment = pd.concat(tables, ignore_index=True)
    log.info("%d regions", alignment["region"].nunique() - 1)
    figure = regions(
        alignment,
        read_table(snakemake.input.ceilings, CEILING_COLUMNS),
        benchmark=snakemake.wildcards.benchmark,
        mode=snakemake.params.mode,
    )
    save(figure, snakemake.output.svg, snakemake.output.png)
