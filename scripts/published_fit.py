"""Make a published fit of a model's surprisal to reading times again, as its authors made it."""

from typing import TYPE_CHECKING

from brainalign.behavior.published_fits import published_fit
from brainalign.datasets.raw import read_raw
from brainalign.datasets.surprisal_settings import Kuribayashi2024, Michaelov2024
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.formats.tables import write_table
from brainalign.job import job
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    stimuli = read_stimuli(snakemake.input.stimuli)
    table = published_fit(
        read(snakemake.params.source, Kuribayashi2024 | Michaelov2024),
        read_raw(snakemake.input.surprisal).files,
        read_raw(snakemake.input.times).files,
        stimuli,
        read_responses(snakemake.input.responses, stimuli),
    )
    for row in table.to_dict("records"):
        log.info("%s: published %.10g, here %.10g", *list(row.values())[:3])
    write_table(table, snakemake.output.fit)
