"""Draw the paper's figures from its published tables."""

from typing import TYPE_CHECKING

from brainalign import resources
from brainalign.figures.published import (
    CATEGORY_COLUMNS,
    CHECK_COLUMNS,
    MODEL_COLUMNS,
    WIDTH_COLUMNS,
    published,
)
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    models = read_table(snakemake.input.models, MODEL_COLUMNS)
    check = read_table(snakemake.input.check, CHECK_COLUMNS)
    log.info("%d published models, %d quantities", len(models), len(check))
    categories = read_table(resources.published("capability_categories"), CATEGORY_COLUMNS)
    widths = read_table(snakemake.input.widths, WIDTH_COLUMNS)
    figure = published(models, check, categories, widths)
    save(figure, snakemake.output.svg, snakemake.output.png)
