"""Set what the simulated world planted beside what the study's methods find of it."""

from typing import TYPE_CHECKING

from brainalign.analysis.planted import align_planted, planted_ceiling, planted_contrasts
from brainalign.analysis.truth import planted_and_estimated
from brainalign.encoding.settings import Scoring
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.settings import read
from brainalign.simulation.knowing import SHARES, VANILLA

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params, files = snakemake.params, snakemake.input
    aligned, true_ceilings = [], {}
    benchmarks = zip(params.benchmarks, files.stimuli, files.responses, strict=True)
    for number, (benchmark, *paths) in enumerate(benchmarks):
        stimuli = read_stimuli(paths[0])
        responses = read_responses(paths[1], stimuli)
        scoring = read(params.scoring[benchmark], Scoring)
        true_ceilings[benchmark] = planted_ceiling(responses, scoring.aggregate)
        for model, table in align_planted(stimuli, responses, scoring, params.seed, number):
            aligned.append((model, benchmark, table))
    table = planted_and_estimated(
        read_table(files.scores),
        dict(zip(params.benchmarks, map(read_table, files.ceilings), strict=True)),
        planted_contrasts(aligned, params.benchmarks),
        true_ceilings,
        SHARES,
        VANILLA,
    )
    log.info("%s of %d planted values are covered", (table["covered"] == "yes").sum(), len(table))
    write_table(table, snakemake.output.truth)
