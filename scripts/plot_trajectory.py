"""Draw alignment and capability along instruction tuning, arm by arm."""

from typing import TYPE_CHECKING

from brainalign.figures.style import drawing, save
from brainalign.figures.trajectory import COLUMNS, SCORE_COLUMNS, trajectory
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    table = read_table(snakemake.input.trajectory, COLUMNS)
    # Scores are an input only of studies that have a benchmark of alignment.
    scores = snakemake.input.get("scores")
    log.info("%d arms, %d values", table["arm"].nunique(), len(table))
    scores = scores and read_table(scores, SCORE_COLUMNS)
    figure = trajectory(table, scores, snakemake.params.scored_on)
    save(figure, snakemake.output.svg, snakemake.output.png)
