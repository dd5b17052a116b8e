"""One table of all pairs' differences, target by target counted in subjects and regions."""

from typing import TYPE_CHECKING

import pandas as pd
from brainalign.analysis.target_contrasts import COLUMNS
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    parts = (
        read_table(path).assign(**about)
        for path, about in zip(snakemake.input.summaries, snakemake.params.about, strict=True)
    )
    table = pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))
    table["note"] = table["note"].fillna("")
    log.info("%d pairs and benchmarks", len(snakemake.params.about))
    write_table(table, snakemake.output.target_contrasts)
