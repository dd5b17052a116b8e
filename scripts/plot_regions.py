"""Draw the alignment of every layer in every region, one figure per benchmark."""

from typing import TYPE_CHECKING

import pandas as pd
from brainalign.figures.regions import ALIGNMENT_COLUMNS, CEILING_COLUMNS, regions
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

KEYS = ("family", "role")

with job(snakemake.log[0]) as log, drawing():
    records = snakemake.params.models
    files = list(zip(snakemake.params.files, snakemake.input.alignment, strict=True))
    for place, (benchmark, mode) in enumerate(snakemake.params.modes.items()):
        tables = [
            read_table(path, ALIGNMENT_COLUMNS).assign(
                model=file["model"], **{key: records[file["model"]][key] for key in KEYS}
            )
            for file, path in files
            if file["benchmark"] == benchmark
        ]
        alignment = pd.concat(tables, ignore_index=True)
        log.info("%s: %d regions", benchmark, alignment["region"].nunique() - 1)
        figure = regions(
            alignment,
            read_table(snakemake.input.ceilings[place], CEILING_COLUMNS),
            benchmark=benchmark,
            mode=mode,
            simulated=False,  # simulated subjects' regions are not drawn
        )
        save(figure, snakemake.output.svg[place], snakemake.output.png[place])
