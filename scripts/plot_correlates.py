"""Draw alignment against size, next-word loss, knowledge and problem solving."""

from typing import TYPE_CHECKING

from brainalign.figures.correlates import (
    BEHAVIOR_COLUMNS,
    CAPABILITY_COLUMNS,
    CORRELATION_COLUMNS,
    LOSS_COLUMNS,
    SCORE_COLUMNS,
    correlates,
)
from brainalign.figures.style import drawing, save
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    # Capabilities, behaviours and losses are inputs only of studies that have them.
    expected = {
        "scores": SCORE_COLUMNS,
        "correlations": CORRELATION_COLUMNS,
        "capabilities": CAPABILITY_COLUMNS,
        "behaviors": BEHAVIOR_COLUMNS,
        "losses": LOSS_COLUMNS,
    }
    tables = {name: read_table(path, expected[name]) for name, path in snakemake.input.items()}
    log.info("%d correlations, tables: %s", len(tables["correlations"]), ", ".join(tables))
    figure = correlates(**tables)
    save(figure, snakemake.output.svg, snakemake.output.png)
