"""Draw what models lose when the text is altered."""

from typing import TYPE_CHECKING

from brainalign.figures.style import drawing, save
from brainalign.figures.text_controls import COLUMNS, text_controls
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.text_controls, COLUMNS)
    log.info("%d scores on altered texts", len(table))
    save(text_controls(table), snakemake.output.svg, snakemake.output.png)
