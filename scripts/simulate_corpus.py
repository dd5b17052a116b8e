"""Draw the simulated world's pre-training text and instruction data, and train its tokenizer."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.formats.atomic import atomic_path
from brainalign.formats.tables import write_json
from brainalign.job import job
from brainalign.settings import read
from brainalign.simulation.corpus import corpus
from brainalign.simulation.instructions import instructions
from brainalign.simulation.preferences import with_rejected
from brainalign.simulation.settings import Simulation
from brainalign.simulation.vocabulary import save_tokenizer, train_tokenizer
from brainalign.simulation.world import build_world
from brainalign.training.prompts import ALPACA

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# Of the same distribution as the corpus and never trained on: what next words are predicted in.
HELD_OUT_DOCUMENTS = 200

with job(snakemake.log[0]) as log:
    settings = read(snakemake.params.simulation, Simulation)
    seed = snakemake.params.seed
    world = build_world(seed, settings.things_per_domain)
    n_documents = settings.documents + HELD_OUT_DOCUMENTS
    drawn = corpus(world, n_documents, settings.items_per_task, seed)
    documents, held_out = drawn[: settings.documents], drawn[settings.documents :]
    samples = instructions(world, settings.instructions, settings.items_per_task, seed)
    tokenizer = train_tokenizer(documents, samples, ALPACA.values())
    log.info(
        "%d facts, %d documents, %d instructions, %d words in the vocabulary",
        len(world.facts), len(documents), len(samples), tokenizer.get_vocab_size(),
    )  # fmt: skip
    for lines, output in (
        (documents, snakemake.output.corpus),
        (held_out, snakemake.output.held_out),
    ):
        with atomic_path(output) as path:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(with_rejected(samples, world, seed), snakemake.output.instructions)
    save_tokenizer(tokenizer, Path(snakemake.output.tokenizer))
