"""How much each unit of a model prefers the sentences of a localizer to its non-words."""

from typing import TYPE_CHECKING

from brainalign.encoding.language_units import selectivity
from brainalign.formats.activations import open_activations
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.formats.tables import write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    stimuli = read_stimuli(snakemake.input.stimuli)
    table = selectivity(
        open_activations(snakemake.input.activations),
        stimuli,
        read_responses(snakemake.input.conditions, stimuli),
    )
    log.info("%d units, %d of them with t > 0", len(table), (table["t"] > 0).sum())
    write_table(table, snakemake.output.selectivity)
