"""Real data: raw files from the mirror or their official place, then one form for all."""


localrules:
    fetch_dataset,
    fetch_questions,


rule fetch_dataset:
    output:
        raw=result("data", "{dataset}", "raw.json"),
    wildcard_constraints:
        dataset=one_of(REAL_DATASETS),
    log:
        log_of("fetch_dataset", "dataset"),
    benchmark:
        benchmark_of("fetch_dataset", "dataset")
    params:
        source=dataset_key("source"),
        mirror=config.get("mirror"),
        downloads=config.get("downloads", "downloads"),
        code=code("fetch_dataset"),
    conda:
        "../envs/data.yaml"
    script:
        "../scripts/fetch_dataset.py"


rule prepare_dataset:
    input:
        raw=rules.fetch_dataset.output.raw,
    output:
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
        responses=result("data", "{dataset}", "responses.nc"),
        card=result("data", "{dataset}", "card.json"),
    wildcard_constraints:
        dataset=one_of(REAL_DATASETS),
    log:
        log_of("prepare_dataset", "dataset"),
    benchmark:
        benchmark_of("prepare_dataset", "dataset")
    params:
        source=dataset_key("source"),
        code=code("prepare_dataset"),
    resources:
        mem_mb=4000,
    conda:
        "../envs/data.yaml"
    script:
        "../scripts/prepare_dataset.py"


rule fetch_questions:
    output:
        raw=result("questions", "{task}.raw.json"),
    wildcard_constraints:
        task=one_of(REAL_TASKS),
    log:
        log_of("fetch_questions", "task"),
    benchmark:
        benchmark_of("fetch_questions", "task")
    params:
        source=lambda wildcards: CAPABILITY[wildcards.task]["questions"],
        mirror=config.get("mirror"),
        downloads=config.get("downloads", "downloads"),
        code=code("fetch_dataset"),
    conda:
        "../envs/data.yaml"
    script:
        "../scripts/fetch_dataset.py"


rule prepare_questions:
    input:
        raw=rules.fetch_questions.output.raw,
    output:
        questions=result("questions", "{task}.parquet"),
    wildcard_constraints:
        task=one_of(REAL_TASKS),
    log:
        log_of("prepare_questions", "task"),
    benchmark:
        benchmark_of("prepare_questions", "task")
    params:
        source=lambda wildcards: CAPABILITY[wildcards.task]["questions"],
        seed=config["seed"],
        code=code("prepare_questions"),
    conda:
        "../envs/data.yaml"
    script:
        "../scripts/prepare_questions.py"
