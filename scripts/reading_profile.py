"""Fit each layer of one model to the reading times of one dataset."""

from typing import TYPE_CHECKING

import pandas as pd
from brainalign.behavior.layer_profile import states_profile, surprisal_profile
from brainalign.behavior.measures import of_measure
from brainalign.behavior.settings import ControlledFit
from brainalign.formats.activations import open_activations
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    settings = read(snakemake.params.fit, ControlledFit)
    stimuli = read_stimuli(snakemake.input.stimuli)
    responses = of_measure(read_responses(snakemake.input.responses, stimuli), settings.measure)
    profiles = []
    for path in snakemake.input.surprisal:
        profiles.append(surprisal_profile(read_table(path), stimuli, responses, settings))
    for path in snakemake.input.activations:
        profiles.append(states_profile(open_activations(path), stimuli, responses, settings))
    table = pd.concat(profiles, ignore_index=True)
    log.info("%d words, %d left out", *table.loc[0, ["n", "n_dropped"]])
    for row in table.itertuples():
        log.info(
            "%s of %s: delta R2 = %.4f [%.4f, %.4f]",
            row.predictor, row.layer, row.delta_r2, row.low, row.high,
        )  # fmt: skip
    write_table(table, snakemake.output.profile)
