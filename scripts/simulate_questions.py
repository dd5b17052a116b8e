"""Draw test questions on the simulated world."""

from typing import TYPE_CHECKING

from brainalign.formats.tables import write_table
from brainalign.job import job
from brainalign.settings import read
from brainalign.simulation.pairs import minimal_pairs
from brainalign.simulation.questions import generation, multiple_choice
from brainalign.simulation.settings import Simulation
from brainalign.simulation.world import build_world

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    settings = read(snakemake.params.simulation, Simulation)
    seed = snakemake.params.seed
    world = build_world(seed, settings.things_per_domain)
    if snakemake.params.format == "multiple-choice":
        questions = multiple_choice(world, seed)
    elif snakemake.params.format == "minimal-pairs":
        questions = minimal_pairs(world, settings.items_per_task, seed)
    else:
        questions = generation(world, settings.items_per_task, seed)
    log.info("%s", questions.groupby(["category", "split"]).size().to_dict())
    write_table(questions, snakemake.output.questions)
