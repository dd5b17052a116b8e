"""Recompute the paper's statistics from its published tables."""

from typing import TYPE_CHECKING

from brainalign.analysis.published import published_check, published_models
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.resources import published

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    tables = {name: read_table(published(file)) for name, file in snakemake.params.tables.items()}
    tables["widths"] = read_table(snakemake.input.widths)
    check = published_check(**tables)
    printed = check["published"].notna().sum()
    log.info("recomputed %d quantities, %d of them printed in the paper", len(check), printed)
    write_table(check, snakemake.output.check)
    write_table(published_models(tables["models"]), snakemake.output.models)
