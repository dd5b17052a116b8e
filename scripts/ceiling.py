"""Estimate the noise ceiling of one brain benchmark."""

from typing import TYPE_CHECKING

from brainalign.encoding.ceilings import noise_ceiling
from brainalign.encoding.settings import Ceiling, Scoring
from brainalign.formats.datasets import open_responses, read_stimuli
from brainalign.formats.tables import write_table
from brainalign.job import job
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    stimuli = read_stimuli(snakemake.input.stimuli)
    responses = open_responses(snakemake.input.responses, stimuli)
    ceilings = noise_ceiling(
        stimuli,
        responses,
        read(snakemake.params.scoring, Scoring),
        read(snakemake.params.ceiling, Ceiling),
        seed=snakemake.params.seed,
    )
    write_table(ceilings, snakemake.output.ceiling)
    overall = ceilings[(ceilings["target_id"] == "all") & (ceilings["region"] == "all")].iloc[0]
    log.info("%s ceiling: %.4f", overall["method"], overall["ceiling"])
