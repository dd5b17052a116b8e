"""Real data: raw files from the mirror or their official source, then one form for all."""


def task_source(wildcards):
    return CAPABILITY[wildcards.task].questions


def user_shots(wildcards):
    """How many worked examples a task takes from the user's questions."""
    task = CAPABILITY[wildcards.task]
    return task.shots if tag_of(task.questions) == "own" else None


def text_source(wildcards):
    return TEXTS[wildcards.text].source


def instructions_source(wildcards):
    return PUBLISHED_INSTRUCTIONS[wildcards.instructions]


localrules:
    fetch_dataset,
    fetch_instructions,
    fetch_questions,
    fetch_text,


rule fetch_dataset:
    input:
        user=lambda wildcards: user_files(dataset_source(wildcards)),
    output:
        raw=result("data", "{dataset}", "raw.json"),
    log:
        log_of("fetch_dataset", "dataset"),
    benchmark:
        benchmark_of("fetch_dataset", "dataset")
    wildcard_constraints:
        dataset=one_of(REAL_DATASETS),
    priority: 60  # a file that cannot be had is named at once
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_key("source"),
        kind="dataset",
        downloads=STUDY.downloads,
        code=reader_code("fetch_dataset", dataset_source),
    script:
        "../scripts/fetch_dataset.py"


def benchmarks_by_timing(wildcards):
    """A dataset's brain benchmarks with the key `timing`, and those without: only the files of
    your data tell which are right.
    """
    by_key = {"with_timing": [], "without": []}
    if dataset_source(wildcards).timed is None:
        for name, entry in ALIGNMENT.items():
            if entry.dataset == wildcards.dataset:
                by_key["without" if entry.timing is None else "with_timing"].append(
                    name
                )
    return by_key


rule prepare_dataset:
    input:
        raw=rules.fetch_dataset.output.raw,
    output:
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
        responses=result("data", "{dataset}", "responses.nc"),
        card=result("data", "{dataset}", "card.json"),
    log:
        log_of("prepare_dataset", "dataset"),
    benchmark:
        benchmark_of("prepare_dataset", "dataset")
    wildcard_constraints:
        dataset=one_of(REAL_DATASETS),
    priority: 45
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=preparing_memory,
        runtime=run_time(60),
    params:
        source=dataset_key("source"),
        benchmarks=benchmarks_by_timing,
        code=reader_code("prepare_dataset", dataset_source),
    script:
        "../scripts/prepare_dataset.py"


rule fetch_questions:
    input:
        user=lambda wildcards: user_files(task_source(wildcards)),
    output:
        raw=result("questions", "{task}.raw.json"),
    log:
        log_of("fetch_questions", "task"),
    benchmark:
        benchmark_of("fetch_questions", "task")
    wildcard_constraints:
        task=one_of(REAL_TASKS),
    priority: 60
    conda:
        "../envs/data.yaml"
    params:
        source=lambda wildcards: plain(task_source(wildcards)),
        kind="questions",
        downloads=STUDY.downloads,
        code=reader_code("fetch_dataset", task_source),
    script:
        "../scripts/fetch_dataset.py"


rule prepare_questions:
    input:
        raw=rules.fetch_questions.output.raw,
    output:
        questions=result("questions", "{task}.parquet"),
    log:
        log_of("prepare_questions", "task"),
    benchmark:
        benchmark_of("prepare_questions", "task")
    wildcard_constraints:
        task=one_of(REAL_TASKS),
    conda:
        "../envs/data.yaml"
    params:
        source=lambda wildcards: plain(task_source(wildcards)),
        seed=STUDY.seed,
        shots=user_shots,
        code=reader_code("prepare_questions", task_source),
    script:
        "../scripts/prepare_questions.py"


rule fetch_text:
    input:
        user=lambda wildcards: user_files(text_source(wildcards)),
    output:
        raw=result("texts", "{text}.raw.json"),
    log:
        log_of("fetch_text", "text"),
    benchmark:
        benchmark_of("fetch_text", "text")
    wildcard_constraints:
        text=one_of(REAL_TEXTS),
    priority: 60
    conda:
        "../envs/data.yaml"
    params:
        source=lambda wildcards: plain(text_source(wildcards)),
        kind="text",
        downloads=STUDY.downloads,
        code=reader_code("fetch_dataset", text_source),
    script:
        "../scripts/fetch_dataset.py"


rule prepare_text:
    input:
        raw=rules.fetch_text.output.raw,
    output:
        text=result("texts", "{text}.txt"),
    log:
        log_of("prepare_text", "text"),
    benchmark:
        benchmark_of("prepare_text", "text")
    wildcard_constraints:
        text=one_of(REAL_TEXTS),
    conda:
        "../envs/data.yaml"
    params:
        code=reader_code("prepare_text", text_source),
    script:
        "../scripts/prepare_text.py"


rule fetch_instructions:
    output:
        raw=result("instructions", "{instructions}.raw.json"),
    log:
        log_of("fetch_instructions", "instructions"),
    benchmark:
        benchmark_of("fetch_instructions", "instructions")
    wildcard_constraints:
        instructions=one_of(PUBLISHED_INSTRUCTIONS),
    priority: 60
    conda:
        "../envs/data.yaml"
    params:
        source=lambda wildcards: plain(instructions_source(wildcards)),
        kind="instructions",
        downloads=STUDY.downloads,
        code=reader_code("fetch_dataset", instructions_source),
    script:
        "../scripts/fetch_dataset.py"


rule prepare_instructions:
    input:
        raw=rules.fetch_instructions.output.raw,
    output:
        instructions=result("instructions", "{instructions}.json"),
    log:
        log_of("prepare_instructions", "instructions"),
    benchmark:
        benchmark_of("prepare_instructions", "instructions")
    wildcard_constraints:
        instructions=one_of(PUBLISHED_INSTRUCTIONS),
    conda:
        "../envs/data.yaml"
    params:
        code=reader_code("prepare_instructions", instructions_source),
    script:
        "../scripts/prepare_instructions.py"
