"""The simulated world: a corpus to learn from, subjects with a known truth, questions on its facts."""


rule simulate_corpus:
    output:
        corpus=result("simulation", "corpus.txt"),
        held_out=result("simulation", "held_out.txt"),
        instructions=result("simulation", "instructions.json"),
        tokenizer=directory(result("simulation", "tokenizer")),
    log:
        log_of("simulate_corpus"),
    benchmark:
        benchmark_of("simulate_corpus")
    conda:
        "../envs/data.yaml"
    params:
        simulation=config.get("simulation"),
        seed=config["seed"],
        code=code("simulate_corpus"),
    script:
        "../scripts/simulate_corpus.py"


rule simulate_dataset:
    output:
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
        responses=result("data", "{dataset}", "responses.nc"),
        card=result("data", "{dataset}", "card.json"),
    log:
        log_of("simulate_dataset", "dataset"),
    benchmark:
        benchmark_of("simulate_dataset", "dataset")
    wildcard_constraints:
        dataset=one_of(SIMULATED_DATASETS),
    conda:
        "../envs/data.yaml"
    params:
        source=dataset_key("source"),
        simulation=config.get("simulation"),
        seed=config["seed"],
        code=code("simulate_dataset"),
    script:
        "../scripts/simulate_dataset.py"


rule simulate_questions:
    output:
        questions=result("questions", "{task}.parquet"),
    log:
        log_of("simulate_questions", "task"),
    benchmark:
        benchmark_of("simulate_questions", "task")
    wildcard_constraints:
        task=one_of(SIMULATED_TASKS),
    conda:
        "../envs/data.yaml"
    params:
        format=lambda wildcards: CAPABILITY[wildcards.task]["format"],
        simulation=config.get("simulation"),
        seed=config["seed"],
        code=code("simulate_questions"),
    script:
        "../scripts/simulate_questions.py"
