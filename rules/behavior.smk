"""Behavioural alignment: how well a model's surprisal predicts reading times."""


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
