"""Collect what every checkpoint of the tuning experiments scores, and compare the arms."""

from typing import TYPE_CHECKING

from brainalign.analysis.collect import collect_behaviors, collect_capabilities, collect_losses
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.analysis.trajectory import arms, trajectories
from brainalign.formats.tables import read_json, read_table, write_table
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    params, files = snakemake.params, snakemake.input
    manifests = {manifest["name"]: manifest for manifest in map(read_json, files.manifests)}
    models = model_table(params.models, list(manifests.values()))

    def results(kind, read=read_table):
        """(model, benchmark, file's content) of every file of a kind."""
        pairs = zip(params.files[kind], files[kind], strict=True)
        return [(*pair, read(path)) for pair, path in pairs]

    tables, subjects = {}, None
    if params.files["alignment"]:
        collected = collect_scores(
            results("alignment"), {}, models, params.alignment, params.simulated_datasets
        )
        tables["scores"], subjects = collected["scores"], collected["subjects"]
    if params.files["behavior"]:
        tables["behaviors"] = collect_behaviors(
            results("behavior"), models, params.behavior,
            params.simulated_datasets,
        )["behaviors"]  # fmt: skip
    if params.files["capability"]:
        tables["capabilities"] = collect_capabilities(
            results("capability"), models, params.capability
        )
    if params.files["next_word"]:
        tables["losses"] = collect_losses(results("next_word", read_json), models)
    table = trajectories(params.runs, manifests, tables, params.scored_on)
    write_table(table, snakemake.output.trajectory)
    compared = arms(table, subjects)
    log.info("%d checkpoints, %d comparisons of arms", len(params.runs), len(compared))
    write_table(compared, snakemake.output.arms)
