"""Draw fit to reading times over surprisal, with an arrow from vanilla to tuned for each pair."""

from typing import TYPE_CHECKING

from brainalign.figures.reading_loss import COLUMNS, CONTRASTS, reading_loss
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    behaviors = read_table(snakemake.input.behaviors, COLUMNS)
    contrasts = read_table(snakemake.input.reading_loss, CONTRASTS)
    log.info("%d models, %d contrasts", behaviors["model"].nunique(), len(contrasts))
    save(reading_loss(behaviors, contrasts), snakemake.output.svg, snakemake.output.png)
