"""Set the study's real models beside the published numbers of the same models."""

from typing import TYPE_CHECKING

from brainalign.analysis.measured import measured_beside_published
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    table = measured_beside_published(
        **{name: read_table(path) for name, path in snakemake.input.items()}
    )
    log.info("%d numbers of %d published models", len(table), table["model"].nunique())
    write_table(table, snakemake.output.measured_published)
