"""Draw published fits to reading times made again, and this study's gains."""

from typing import TYPE_CHECKING

from brainalign.figures.published_fits import COLUMNS, published_fits
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.published_fits, COLUMNS)
    log.info("%d numbers of %d models", len(table), table["model"].nunique())
    save(published_fits(table), snakemake.output.svg, snakemake.output.png)
