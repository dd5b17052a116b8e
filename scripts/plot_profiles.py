"""Draw where the best layer of every model lies, legacy and controlled."""

from typing import TYPE_CHECKING

from brainalign.figures.profiles import COLUMNS, SCORE_COLUMNS, profiles
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.profiles, COLUMNS)
    log.info("%d models, %d datasets", table["model"].nunique(), table["dataset"].nunique())
    figure = profiles(table, read_table(snakemake.input.scores, SCORE_COLUMNS))
    save(figure, snakemake.output.svg, snakemake.output.png)
