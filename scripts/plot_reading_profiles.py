"""Draw what each layer of every model adds to the covariates of reading times."""

from typing import TYPE_CHECKING

from brainalign.figures.reading_profiles import COLUMNS, reading_profiles
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.reading_profiles, COLUMNS)
    log.info("%d layers of %d models", len(table), table["model"].nunique())
    save(reading_profiles(table), snakemake.output.svg, snakemake.output.png)
