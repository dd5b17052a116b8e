"""Random features with the width, autocorrelation and covariance of a model's activations."""

from typing import TYPE_CHECKING

from brainalign.encoding.surrogates import surrogate_features
from brainalign.formats.activations import open_activations, write_layers
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    file = open_activations(snakemake.input.activations)
    name, seed = snakemake.wildcards.model, snakemake.params.seed
    log.info("%d layers of %d rows", len(file.layers), len(file.stimulus_ids))
    write_layers(
        ((layer, surrogate_features(file.layer(layer), name, seed)) for layer in file.layers),
        {layer: file.width(layer) for layer in file.layers},
        file.stimulus_ids,
        snakemake.output.activations,
        file.metadata,
    )
