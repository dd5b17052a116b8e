"""What a model knows, can reason out, and finds grammatical: questions and minimal pairs."""

from brainalign.capability.settings import MinimalPairsTask


def pairs_method(wildcards):
    """How an encoder-decoder model reads minimal pairs; other tasks do not depend on it."""
    if isinstance(CAPABILITY[wildcards.task], MinimalPairsTask):
        return model_key("surprisal", "prefix")(wildcards)
    return None


rule capability:
    input:
        manifest=result("models", "{model}", "manifest.json"),
        questions=result("questions", "{task}.parquet"),
    output:
        answers=result("capability", "{model}", "{task}.parquet"),
    log:
        log_of("capability", "model", "task"),
    benchmark:
        benchmark_of("capability", "model", "task")
    wildcard_constraints:
        model=one_of([*TRAINED_MODELS, *CHECKPOINTS]),
        task=one_of(CAPABILITY),
    conda:
        "../envs/language-model.yaml"
    threads: STUDY.model_threads
    resources:
        mem_mb=model_memory,
        runtime=reading_time("capability"),
        gpu=model_gpus,
        gpu_mem_mb=model_gpu_memory,
    params:
        asking=lambda wildcards: plain(CAPABILITY[wildcards.task].asking),
        chat=model_key("chat", False),
        method=pairs_method,
        code=code("capability"),
    script:
        "../scripts/capability.py"
