"""Compare the scores of models on a text as it is with those on the text altered."""

from typing import TYPE_CHECKING

from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.analysis.text_controls import what_is_lost
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params = snakemake.params
    tables = collect_scores(
        (
            (file["model"], file["benchmark"], read_table(path))
            for file, path in zip(params.files, snakemake.input.alignment, strict=True)
        ),
        {},
        model_table(params.models, []),
        params.benchmarks,
        params.simulated_datasets,
    )
    lost = what_is_lost(tables["scores"], tables["subjects"], params.controls)
    log.info("%d controls of texts: %d passed", len(lost), lost["passed"].sum())
    write_table(lost, snakemake.output.text_controls)
