"""The simulated world: a corpus to learn from, subjects with a known truth, questions on its facts."""

from brainalign.capability.settings import MultipleChoiceTask
from brainalign.simulation.settings import Localizer, Reading


def world(*keys):
    """The keys of section `simulation` that a job depends on."""
    return {key: getattr(STUDY.simulation, key) for key in keys if STUDY.simulation}


SUBJECTS = (
    "features",
    "knowledge",
    "half_life",
    "drift",
    "subject_noise",
    "voxel_noise",
    "subject_weights",
    "subject_lag",
)


def world_of_dataset(wildcards):
    """The same of a simulated dataset: readers and localizers see no planted state."""
    stateless = isinstance(DATASETS[wildcards.dataset].source, Reading | Localizer)
    return world("things_per_domain", *(() if stateless else SUBJECTS))


def world_of_questions(wildcards):
    """The same of simulated questions: those with choices ask for all facts."""
    choices = isinstance(CAPABILITY[wildcards.task], MultipleChoiceTask)
    return world("things_per_domain", *([] if choices else ["items_per_task"]))


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
        simulation=world(
            "things_per_domain", "documents", "instructions", "items_per_task"
        ),
        seed=STUDY.seed,
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
        simulation=world_of_dataset,
        seed=STUDY.seed,
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
        format=lambda wildcards: tag_of(CAPABILITY[wildcards.task]),
        simulation=world_of_questions,
        seed=STUDY.seed,
        code=code("simulate_questions"),
    script:
        "../scripts/simulate_questions.py"
