"""Fit one model's surprisal to the reading times of one dataset."""

from typing import TYPE_CHECKING

from brainalign.behavior.measures import of_measure
from brainalign.behavior.reading_times import fit_reading_times
from brainalign.behavior.settings import ControlledFit, LegacyFit
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    settings = read(snakemake.params.fit, LegacyFit | ControlledFit)
    stimuli = read_stimuli(snakemake.input.stimuli)
    fit = fit_reading_times(
        read_table(snakemake.input.surprisal, ["stimulus_id", "bits"]),
        stimuli,
        of_measure(read_responses(snakemake.input.responses, stimuli), settings.measure),
        settings,
        seed=snakemake.params.seed,
    )
    overall = fit[fit["kind"] == "all"].set_index("measure")
    log.info("%d words scored, %d left out", overall.loc["r", "n"], fit["n_dropped"].iloc[0])
    for measure, row in overall.iterrows():
        log.info("%s = %.4f [%.4f, %.4f]", measure, row["value"], row["low"], row["high"])
    write_table(fit, snakemake.output.behavior)
