"""Collect the next-word losses of all models into one table."""

from typing import TYPE_CHECKING

from brainalign.analysis.collect import collect_losses
from brainalign.analysis.records import model_table
from brainalign.formats.tables import read_json, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    table = collect_losses(
        results=[
            (file["model"], file["text"], read_json(path))
            for file, path in zip(params.files, snakemake.input.losses, strict=True)
        ],
        models=model_table(params.models, [read_json(path) for path in snakemake.input.manifests]),
    )
    log.info("next-word loss of %d models", table["model"].nunique())
    write_table(table, snakemake.output.losses)
