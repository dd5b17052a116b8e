"""Draw the loss of every model that the study tunes."""

from typing import TYPE_CHECKING

import pandas as pd
from brainalign.figures.style import drawing, save
from brainalign.figures.training import LOG_COLUMNS, training
from brainalign.formats.tables import read_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    names = snakemake.params.models
    logs = {
        name: read_table(path, LOG_COLUMNS)
        for name, path in zip(names, snakemake.input.logs, strict=True)
    }
    log.info("%d training logs", len(logs))
    models = pd.DataFrame([{"model": name, **record} for name, record in names.items()])
    figure = training(logs, models)
    save(figure, snakemake.output.svg, snakemake.output.png)
