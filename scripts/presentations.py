"""Contrast models in all their presentations, at equal presentation and at equal weights."""

from typing import TYPE_CHECKING

import pandas as pd
from brainalign.analysis.collect import collect_behaviors
from brainalign.analysis.presentations import presentation_contrasts
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def results(kind: str) -> list[tuple[str, str, pd.DataFrame]]:
    """Model, benchmark and table of every file of a kind."""
    files, paths = snakemake.params.files[kind], snakemake.input[kind]
    return [
        (file["model"], file["benchmark"], read_table(path))
        for file, path in zip(files, paths, strict=True)
    ]


with job(snakemake.log[0]) as log:
    params = snakemake.params
    about = {
        "models": model_table(params.models, []),
        "simulated_datasets": params.simulated_datasets,
    }
    tables: dict[str, pd.DataFrame] = {}
    if params.files["behavior"]:
        tables |= collect_behaviors(
            results("behavior"), benchmarks=params.benchmarks["behavior"], **about
        )
    if params.files["alignment"]:
        collected = collect_scores(
            results("alignment"), {}, benchmarks=params.benchmarks["alignment"], **about
        )
        tables |= {name: collected[name] for name in ("scores", "subjects")}
    table = presentation_contrasts(params.models, **tables)
    log.info("%d contrasts of %d models", len(table), len(params.models))
    write_table(table, snakemake.output.presentations)
