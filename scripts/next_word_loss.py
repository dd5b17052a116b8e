"""Measure how well a model predicts the next words of a text."""

from typing import TYPE_CHECKING

from brainalign.formats.tables import read_json, write_json
from brainalign.formats.text import lines, read_text
from brainalign.job import job
from brainalign.models.loading import load
from brainalign.reading.next_word import next_word_loss
from brainalign.reading.sequences import warn_of_unknown

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    settings = snakemake.params
    text = read_text(snakemake.input.text)
    model = load(
        read_json(snakemake.input.manifest),
        snakemake.config.get("device", "auto"),
        snakemake.threads,
    )
    loss = next_word_loss(
        model,
        lines(text) if settings.documents == "lines" else [text],
        bos=settings.bos,
        method=settings.method,
        window=settings.window,
        stride=settings.stride,
        max_tokens=settings.max_tokens,
        batch_tokens=snakemake.config.get("batch_tokens"),
    )
    log.info(
        "%d tokens: %.3f bits per token, %.3f per word, %.3f per byte; perplexity %.2f",
        loss["tokens"], loss["bits_per_token"], loss["bits_per_word"], loss["bits_per_byte"],
        loss["perplexity"],
    )  # fmt: skip
    warn_of_unknown(model.name, loss["unknown_tokens"], loss["tokens"])
    write_json(loss, snakemake.output.loss)
