"""Set every language model's fit to reading times beside baselines and untrained models."""

from typing import TYPE_CHECKING

from brainalign.analysis.reading_baselines import reading_baselines
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = reading_baselines(
        read_table(snakemake.input.behaviors), read_table(snakemake.input.stories)
    )
    log.info("%d comparisons with baselines and untrained models", len(table))
    write_table(table, snakemake.output.reading_baselines)
