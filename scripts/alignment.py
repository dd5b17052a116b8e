"""Score every layer of a model on one brain benchmark."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.devices import choose_device
from brainalign.encoding.alignment import align
from brainalign.encoding.finished_layers import FinishedLayers
from brainalign.encoding.settings import KeptTargets, Scoring
from brainalign.encoding.target_scores import TargetFile
from brainalign.formats.activations import open_activations
from brainalign.formats.atomic import sha256_of
from brainalign.formats.datasets import open_responses, read_stimuli
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    output = Path(snakemake.output.alignment)
    stimuli = read_stimuli(snakemake.input.stimuli)
    device = choose_device(snakemake.config.get("device", "auto"))
    finished = FinishedLayers(
        output.with_name(f".{output.stem}.layers"),
        lambda: [
            *(sha256_of(path) for path in snakemake.input), dict(snakemake.params.items()), device,
        ],
    )  # fmt: skip
    targets = snakemake.output.get("targets")
    scores = align(
        open_activations(snakemake.input.activations),
        stimuli,
        open_responses(snakemake.input.responses, stimuli),
        read(snakemake.params.scoring, Scoring),
        device=device,
        seed=snakemake.params.seed,
        nuisance={
            name: open_activations(path)
            for name, path in zip(snakemake.params.nuisance, snakemake.input.nuisance, strict=True)
        },
        finished=finished,
        selectivity=next(map(read_table, snakemake.input.selectivity), None),
        targets=TargetFile(Path(targets), read(snakemake.params.targets, KeptTargets))
        if targets
        else None,
    )
    write_table(scores, output)
    finished.discard()
    chosen = scores[scores["chosen"] & (scores["fold"] == -1) & (scores["region"] == "all")]
    overall = chosen[chosen["subject"] == "all"].iloc[0]
    log.info("chosen layer %s: r = %.4f", overall["layer"], overall["r"])
