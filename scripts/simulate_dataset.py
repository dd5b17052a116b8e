"""Draw a simulated dataset: texts of the world, and the responses of simulated subjects to them."""

from typing import TYPE_CHECKING

from brainalign.formats.datasets import write_dataset
from brainalign.formats.tables import write_json
from brainalign.job import job
from brainalign.settings import read
from brainalign.simulation.datasets import Kind, simulate
from brainalign.simulation.settings import Simulation

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    made = simulate(
        read(snakemake.params.source, Kind),
        read(snakemake.params.simulation, Simulation),
        snakemake.params.seed,
    )
    log.info("%d stimuli, responses %s", len(made.stimuli), dict(made.responses.sizes))
    write_dataset(
        made.stimuli, made.responses, snakemake.output.stimuli, snakemake.output.responses
    )
    write_json(made.card, snakemake.output.card)
