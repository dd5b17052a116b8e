"""Brain alignment: how well each layer predicts the responses, and how well anything could."""


def nuisance_of(wildcards):
    """Baselines beyond which a benchmark asks for a model's unique variance; none of them has any."""
    beyond = ALIGNMENT[wildcards.benchmark].get("unique_variance", {}).get("beyond", [])
    return [] if wildcards.model in beyond else beyond


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
    # Before models read: what is wrong with a benchmark shows here.
    priority: 45
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=memory(2500),
        runtime=run_time(60),
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
        nuisance=lambda wildcards: [
            result(
                "activations",
                name,
                ALIGNMENT[wildcards.benchmark]["dataset"] + ".safetensors",
            )
            for name in nuisance_of(wildcards)
        ],
    output:
        alignment=result("alignment", "{model}", "{benchmark}.parquet"),
    log:
        log_of("alignment", "model", "benchmark"),
    benchmark:
        benchmark_of("alignment", "model", "benchmark")
    wildcard_constraints:
        model=one_of(NARROWED),
        benchmark=one_of(ALIGNMENT),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=memory(2000),
        runtime=run_time(120),
    params:
        benchmark=lambda wildcards: ALIGNMENT[wildcards.benchmark],
        seed=config["seed"],
        nuisance=lambda wildcards: nuisance_of(wildcards),
        code=code("alignment"),
    script:
        "../scripts/alignment.py"
