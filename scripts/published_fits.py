"""Set published fits to reading times beside the same made here, and this study's gains."""

from typing import TYPE_CHECKING

from brainalign.analysis.published_fits import published_fits
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    models = snakemake.params.models
    fits = dict(zip(models, map(read_table, snakemake.input.fits), strict=True))
    behaviors = read_table(snakemake.input.behaviors)
    table = published_fits(fits, models, behaviors, snakemake.params.benchmarks)
    log.info("%d numbers of %d models", len(table), table["model"].nunique())
    write_table(table, snakemake.output.published_fits)
