"""Brain alignment: how well each layer predicts the responses, and how well anything could."""


rule ceiling:
    input:
        stimuli=benchmark_dataset(ALIGNMENT, "stimuli.parquet"),
        responses=benchmark_dataset(ALIGNMENT, "responses.nc"),
    output:
        ceiling=result("ceilings", "{benchmark}.parquet"),
    log:
        log_of("ceiling", "benchmark"),
    benchmark:
        benchmark_of("ceiling", "benchmark")
    wildcard_constraints:
        benchmark=one_of(ALIGNMENT),
    conda:
        "../envs/encoding.yaml"
    params:
        benchmark=lambda wildcards: ALIGNMENT[wildcards.benchmark],
        seed=config["seed"],
        code=code("ceiling"),
    script:
        "../scripts/ceiling.py"


rule alignment:
    input:
        activations=lambda wildcards: result(
            "activations",
            wildcards.model,
            ALIGNMENT[wildcards.benchmark]["dataset"] + ".safetensors",
        ),
        stimuli=benchmark_dataset(ALIGNMENT, "stimuli.parquet"),
        responses=benchmark_dataset(ALIGNMENT, "responses.nc"),
    output:
        alignment=result("alignment", "{model}", "{benchmark}.parquet"),
    log:
        log_of("alignment", "model", "benchmark"),
    benchmark:
        benchmark_of("alignment", "model", "benchmark")
    wildcard_constraints:
        model=one_of(MODELS),
        benchmark=one_of(ALIGNMENT),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=run_time(120),
    params:
        benchmark=lambda wildcards: ALIGNMENT[wildcards.benchmark],
        seed=config["seed"],
        device=config.get("device", "auto"),
        code=code("alignment"),
    script:
        "../scripts/alignment.py"
