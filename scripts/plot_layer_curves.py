"""Draw the alignment of every layer of every model."""

from functools import partial
from typing import TYPE_CHECKING

from brainalign.figures.layer_curves import COLUMNS, SCORE_COLUMNS, layer_curves
from brainalign.figures.paging import save_pages
from brainalign.figures.style import drawing
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    layers = read_table(snakemake.input.layers, COLUMNS)
    log.info("%d models, %d benchmarks", layers["model"].nunique(), layers["benchmark"].nunique())
    scores = read_table(snakemake.input.scores, SCORE_COLUMNS)
    save_pages(partial(layer_curves, layers, scores), snakemake.params.pages, **snakemake.output)
