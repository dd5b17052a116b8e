"""Draw the same scores under the legacy and the controlled mode."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.legacy_controlled import COLUMNS, legacy_controlled
from brainalign.figures.paging import save_pages
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    scores = read_table(snakemake.input.scores, COLUMNS)
    log.info("%d models, %d benchmarks", scores["model"].nunique(), scores["benchmark"].nunique())
    save_pages(partial(legacy_controlled, scores), snakemake.params.pages, **snakemake.output)
