"""Collect the answers of all models into tables of accuracies: the scores, and every level."""

from typing import TYPE_CHECKING

from brainalign.analysis.collect import collect_accuracies, collect_capabilities
from brainalign.analysis.records import model_table
from brainalign.formats.tables import read_json, read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    results = [
        (file["model"], file["task"], read_table(path))
        for file, path in zip(params.files, snakemake.input.answers, strict=True)
    ]
    models = model_table(params.models, [read_json(path) for path in snakemake.input.manifests])
    table = collect_capabilities(results, models, params.tasks)
    every = collect_accuracies(results, models, params.tasks)
    log.info("accuracy of %d models on %d tasks", table["model"].nunique(), len(params.tasks))
    write_table(table, snakemake.output.capabilities)
    write_table(every, snakemake.output.accuracies)
