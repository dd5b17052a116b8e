"""Set what the simulated world planted beside what the study's methods find of it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.analysis.truth import planted_and_estimated
from brainalign.encoding.alignment import align
from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.settings import Scoring
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.datasets import read_responses, read_stimuli
from brainalign.formats.tables import read_table, write_table
from brainalign.job import job
from brainalign.reading.baselines import truth
from brainalign.settings import read
from brainalign.simulation.knowing import SHARES, partly_known
from msgspec.structs import replace

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log, TemporaryDirectory() as folder:
    params, files = snakemake.params, snakemake.input
    vanilla = next(iter(SHARES))
    results, true_ceilings = [], {}
    benchmarks = zip(params.benchmarks, files.stimuli, files.responses, strict=True)
    for number, (benchmark, *paths) in enumerate(benchmarks):
        stimuli = read_stimuli(paths[0])
        responses = read_responses(paths[1], stimuli)
        state = truth(stimuli, responses)
        groups = responses["run"] if state.rows == "volume" else stimuli["split_group"]
        who, where = (responses[name].values.astype(str).tolist() for name in ("subject", "region"))
        scoring = replace(read(params.scoring[benchmark], Scoring), unique_variance=None)
        summary = Aggregate(scoring.aggregate, who, where)
        true_ceilings[benchmark] = float(summary(responses["true_ceiling"].values)["all", "all"])
        for index, (model, share) in enumerate(SHARES.items()):
            rng = np.random.default_rng([params.seed, 12, number, index])
            known = partly_known(
                state.values.astype(float), np.asarray(groups).tolist(), share, rng
            )
            path = Path(folder) / f"{model}.safetensors"
            about = {"model": model, "rows": state.rows}
            layers = {"features": known.astype(np.float32)}
            write_activations(layers, state.row_ids, path, about)
            aligned = align(open_activations(path), stimuli, responses, scoring, "cpu", params.seed)
            results.append((model, benchmark, aligned))
    models = {
        model: {"role": "vanilla" if model == vanilla else "tuned", "simulated": True,
                "base": None if model == vanilla else vanilla, "family": "planted"}
        for model in SHARES
    }  # fmt: skip
    datasets = [entry["dataset"] for entry in params.benchmarks.values()]
    tables = collect_scores(results, {}, model_table(models, []), params.benchmarks, datasets)
    table = planted_and_estimated(
        read_table(files.scores),
        dict(zip(params.benchmarks, map(read_table, files.ceilings), strict=True)),
        contrasts(tables["scores"], tables["subjects"]),
        true_ceilings,
        SHARES,
        vanilla,
    )
    log.info("%s of %d planted values are covered", (table["covered"] == "yes").sum(), len(table))
    write_table(table, snakemake.output.truth)
