"""Draw what the presentation of a text changes, beside what tuning changes."""

from typing import TYPE_CHECKING

from brainalign.figures.presentations import COLUMNS, presentations
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.presentations, COLUMNS)
    log.info("%d contrasts", len(table))
    save(presentations(table), snakemake.output.svg, snakemake.output.png)
