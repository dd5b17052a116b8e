"""Collect the answers of all models into a table of accuracies."""

from typing import TYPE_CHECKING

from brainalign.analysis.behaviors import collect_capabilities
from brainalign.analysis.records import model_table
from brainalign.capability.summary import summarise
from brainalign.formats.tables import read_json, read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    table = collect_capabilities(
        results=[
            (file["model"], file["task"], read_table(path))
            for file, path in zip(params.files, snakemake.input.answers, strict=True)
        ],
        models=model_table(params.models, [read_json(path) for path in snakemake.input.manifests]),
        tasks=params.tasks,
        summarise=summarise,
    )
    log.info("accuracy of %d models on %d tasks", table["model"].nunique(), len(params.tasks))
    write_table(table, snakemake.output.capabilities)
