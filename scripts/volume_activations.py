"""Average the activations of the words of each volume, which is all that a study keeps of them."""

from typing import TYPE_CHECKING

from brainalign.encoding.features import ordered_like
from brainalign.encoding.layers import volume_means
from brainalign.formats.activations import open_activations, write_layers
from brainalign.formats.datasets import open_responses, read_stimuli
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    words = open_activations(snakemake.input.words)
    stimuli = read_stimuli(snakemake.input.stimuli)
    means = volume_means(stimuli, open_responses(snakemake.input.responses, stimuli))
    order = ordered_like(words.stimulus_ids, stimuli["stimulus_id"], str(words.path))
    log.info("%d words, means over those of %d volumes with words", order.size, means.volumes.size)
    write_layers(
        ((name, means(words.layer(name)[order])) for name in words.layers),
        {name: words.width(name) for name in words.layers},
        means.volumes.astype(str).tolist(),
        snakemake.output.activations,
        {**words.metadata, **means.metadata},
    )
