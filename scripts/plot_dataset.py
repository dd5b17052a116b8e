"""Draw a dataset's page: distribution, missing values, autocorrelation, agreement."""

from typing import TYPE_CHECKING

from brainalign.figures.dataset_page import dataset_page
from brainalign.figures.style import drawing, save
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.formats.tables import read_json
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, drawing():
    stimuli = read_stimuli(snakemake.input.stimuli)
    responses = read_responses(snakemake.input.responses, stimuli)
    log.info("%d stimuli, responses %s", len(stimuli), dict(responses.sizes))
    card = read_json(snakemake.input.card)
    figure = dataset_page(stimuli, responses, card, snakemake.wildcards.dataset)
    save(figure, snakemake.output.svg, snakemake.output.png)
