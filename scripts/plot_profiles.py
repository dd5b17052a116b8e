"""Draw where the best layer of every model lies, legacy and controlled."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.paging import save_pages
from brainalign.figures.profiles import COLUMNS, SCORE_COLUMNS, profiles
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.profiles, COLUMNS)
    log.info("%d models, %d datasets", table["model"].nunique(), table["dataset"].nunique())
    scores = read_table(snakemake.input.scores, SCORE_COLUMNS)
    save_pages(partial(profiles, table, scores), snakemake.params.pages, **snakemake.output)
