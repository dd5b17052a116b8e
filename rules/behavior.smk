"""Behavioural alignment: how well a model's surprisal predicts reading times."""

from brainalign.models.settings import Oasm


rule behavior:
    input:
        surprisal=lambda wildcards: result(
            "surprisal",
            wildcards.model,
            f"{BEHAVIOR[wildcards.benchmark].dataset}.parquet",
        ),
        stimuli=benchmark_dataset(BEHAVIOR, "stimuli.parquet"),
        responses=benchmark_dataset(BEHAVIOR, "responses.nc"),
    output:
        behavior=result("behavior", "{model}", "{benchmark}.parquet"),
    log:
        log_of("behavior", "model", "benchmark"),
    benchmark:
        benchmark_of("behavior", "model", "benchmark")
    wildcard_constraints:
        model=one_of([*LANGUAGE_MODELS, *TOKEN_COUNTS, *CHECKPOINTS, *PRESENTED]),
        benchmark=one_of(BEHAVIOR),
    priority: 45  # a mismatch of files is reported after the first model, not after the last
    conda:
        "../envs/encoding.yaml"
    params:
        fit=lambda wildcards: plain(BEHAVIOR[wildcards.benchmark].fit),
        seed=STUDY.seed,
        code=code("behavior"),
    script:
        "../scripts/behavior.py"


# Benchmarks with depth profiles, and the baselines whose features stand beside models' states.
PROFILED = {n: b for n, b in BEHAVIOR.items() if getattr(b, "by_layer", ())}
PROFILED_BASELINES = [
    name
    for name in models_with("baseline")
    if name not in TOKEN_COUNTS and not isinstance(MODELS[name].source, Oasm)
]


def profiled(folder, ending, predictor, models):
    """The files of a predictor of a depth profile; none where the benchmark leaves it out, or the
    model is none of `models`.
    """

    def files(wildcards):
        entry = PROFILED[wildcards.benchmark]
        if predictor not in entry.by_layer or wildcards.model not in models:
            return []
        return [result(folder, wildcards.model, f"{entry.dataset}.{ending}")]

    return files


rule reading_profile:
    input:
        surprisal=profiled("layer_surprisal", "parquet", "surprisal", RUN_MODELS),
        activations=profiled(
            "activations",
            "safetensors",
            "states",
            [*RUN_MODELS, *PROFILED_BASELINES],
        ),
        stimuli=benchmark_dataset(PROFILED, "stimuli.parquet"),
        responses=benchmark_dataset(PROFILED, "responses.nc"),
    output:
        profile=result("reading_profiles", "{model}", "{benchmark}.parquet"),
    log:
        log_of("reading_profile", "model", "benchmark"),
    benchmark:
        benchmark_of("reading_profile", "model", "benchmark")
    wildcard_constraints:
        model=one_of([*RUN_MODELS, *PROFILED_BASELINES]),
        benchmark=one_of(PROFILED),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=run_time(60, 60),
    params:
        fit=lambda wildcards: plain(PROFILED[wildcards.benchmark].fit),
        code=code("reading_profile"),
    script:
        "../scripts/reading_profile.py"


rule published_fit:
    input:
        surprisal=result("surprisal", "{model}.raw.json"),
        times=lambda wildcards: result(
            "data", PUBLISHED_FITS[wildcards.model]["dataset"], "raw.json"
        ),
        stimuli=lambda wildcards: result(
            "data", PUBLISHED_FITS[wildcards.model]["dataset"], "stimuli.parquet"
        ),
        responses=lambda wildcards: result(
            "data", PUBLISHED_FITS[wildcards.model]["dataset"], "responses.nc"
        ),
    output:
        fit=result("published_fits", "{model}.parquet"),
    log:
        log_of("published_fit", "model"),
    benchmark:
        benchmark_of("published_fit", "model")
    wildcard_constraints:
        model=one_of(PUBLISHED_FITS),
    conda:
        "../envs/data.yaml"
    params:
        source=model_source,
        code=code("published_fit"),
    script:
        "../scripts/published_fit.py"
