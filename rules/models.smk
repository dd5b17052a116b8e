"""Models: fetched, pre-trained on the simulated world, instruction-tuned, or untrained twins."""

from brainalign.errors import REMAKE
from brainalign.study.model_settings import Model
from brainalign.settings import part


localrules:
    cost,
    fetch_everything,
    fetch_model,


def instructions_of(wildcards):
    """The file of instruction data that a model is tuned on."""
    data = instruction_data(wildcards.model, ALL_MODELS)
    if data == "simulated":
        return rules.simulate_corpus.output.instructions
    return (
        result("instructions", f"{data}.json")
        if data in PUBLISHED_INSTRUCTIONS
        else data
    )


def text_of(wildcards):
    """The running text of arm continued; none: the texts of the samples."""
    text = model_entry(wildcards).source.text
    return rules.simulate_corpus.output.corpus if text == "simulated" else text or []


def started_from(model):
    """The checkpoint that a tuned model is continued from; None: its base.

    States go once no checkpoint that is planned needs them: a checkpoint that is added later goes
    on from the last one before it whose state is still to come, or there, else from the base.

    A finished checkpoint keeps the one that it was continued from: a checkpoint that is later added
    between the two reruns nothing.
    """
    start = previous_checkpoint(model, ALL_MODELS)
    manifest = Path(result("models", model, "manifest.json"))
    if not manifest.exists():
        while start and is_without_state(start):
            start = previous_checkpoint(start, ALL_MODELS)
        return start
    try:
        known = json.loads(manifest.read_text("utf-8")).get("continued_from", start)
    except ValueError as error:
        raise WorkflowError(f"{manifest}: not JSON ({error}); {REMAKE}") from None
    return known if known is None or known in ALL_MODELS else start


def is_without_state(model):
    """Whether a checkpoint is finished, and its state gone."""
    manifest = Path(result("models", model, "manifest.json"))
    return manifest.exists() and not manifest.with_name("state").exists()


# Looked up before any job is planned: an error in an input function would come with its traceback.
STARTS = {name: started_from(name) for name in models_from("tune")}


def start_of(wildcards):
    """The state that a checkpoint is continued from; none: the base."""
    start = STARTS[wildcards.model]
    return result("models", start, "state") if start else []


rule fetch_model:
    input:
        user=lambda wildcards: user_files(model_entry(wildcards).source),
    output:
        manifest=result("models", "{model}", "manifest.json"),
    log:
        log_of("fetch_model", "model"),
    benchmark:
        benchmark_of("fetch_model", "model")
    wildcard_constraints:
        model=one_of(models_from(*FETCHED)),
    conda:
        "../envs/language-model.yaml"
    params:
        source=model_source,
        dtype=model_key("dtype", "float32"),
        max_context=model_key("max_context", None),
        trust_remote_code=model_key("trust_remote_code"),
        downloads=STUDY.downloads,
        code=code("fetch_model"),
    script:
        "../scripts/fetch_model.py"


rule pretrain_model:
    input:
        corpus=rules.simulate_corpus.output.corpus,
        tokenizer=rules.simulate_corpus.output.tokenizer,
    output:
        manifest=result("models", "{model}", "manifest.json"),
        checkpoint=directory(result("models", "{model}", "checkpoint")),
    log:
        log_of("pretrain_model", "model"),
    benchmark:
        benchmark_of("pretrain_model", "model")
    wildcard_constraints:
        model=one_of(models_from("pretrain")),
    # Long jobs first: a large model that starts last is waited for alone.
    priority: 50
    conda:
        "../envs/language-model.yaml"
    threads: STUDY.model_threads
    resources:
        mem_mb=memory(3000),
        runtime=run_time(120),
    params:
        source=model_source,
        dtype=model_key("dtype", "float32"),
        max_context=model_key("max_context", None),
        seed=STUDY.seed,
        threads=STUDY.model_threads,
        code=code("pretrain_model"),
    script:
        "../scripts/pretrain_model.py"


rule instruction_tune:
    input:
        manifest=lambda wildcards: result(
            "models", parent(model_entry(wildcards)), "manifest.json"
        ),
        instructions=instructions_of,
        text=text_of,
        start=start_of,
    output:
        manifest=result("models", "{model}", "manifest.json"),
        checkpoint=directory(result("models", "{model}", "checkpoint")),
        state=temp(directory(result("models", "{model}", "state"))),
        log=result("models", "{model}", "training.csv"),
    log:
        log_of("instruction_tune", "model"),
    benchmark:
        benchmark_of("instruction_tune", "model")
    wildcard_constraints:
        model=one_of(models_from("tune")),
    priority: 40
    conda:
        "../envs/language-model.yaml"
    threads: lambda wildcards: max(STUDY.model_threads, tuning_gpus(wildcards))
    resources:
        mem_mb=tuning_memory,
        runtime=run_time(120, 120),
        gpu=tuning_gpus,
    params:
        source=model_source,
        dtype=model_key("dtype", None),
        max_context=model_key("max_context", None),
        simulated=lambda wildcards: is_simulated(wildcards.model, ALL_MODELS),
        seed=model_seed,
        threads=STUDY.model_threads,
        code=code("instruction_tune"),
    script:
        "../scripts/instruction_tune.py"


rule initialise_untrained:
    input:
        manifest=lambda wildcards: result(
            "models", parent(model_entry(wildcards)), "manifest.json"
        ),
    output:
        manifest=result("models", "{model}", "manifest.json"),
        checkpoint=directory(result("models", "{model}", "checkpoint")),
    log:
        log_of("initialise_untrained", "model"),
    benchmark:
        benchmark_of("initialise_untrained", "model")
    wildcard_constraints:
        model=one_of(models_from("untrained")),
    conda:
        "../envs/language-model.yaml"
    resources:
        mem_mb=initialising_memory,
        runtime=run_time(20, 10),
    params:
        source=model_source,
        dtype=model_key("dtype", None),
        max_context=model_key("max_context", None),
        seed=model_seed,
        code=code("initialise_untrained"),
    script:
        "../scripts/initialise_untrained.py"


NEEDED_MODELS = [name for model in NARROWED for name in lineage(model, ALL_MODELS)]
FETCHED_MODELS = {
    name: plain(part(ALL_MODELS[name], Model))
    for name in models_from(*FETCHED)
    if name in NEEDED_MODELS
}
FETCHED_INSTRUCTIONS = {
    data
    for name in models_from("tune")
    if name in NEEDED_MODELS
    and (data := instruction_data(name, ALL_MODELS)) in PUBLISHED_INSTRUCTIONS
}


rule fetch_everything:
    input:
        raw=[
            *expand(result("data", "{name}", "raw.json"), name=REAL_DATASETS),
            *expand(result("questions", "{name}.raw.json"), name=REAL_TASKS),
            *expand(result("texts", "{name}.raw.json"), name=REAL_TEXTS),
            *expand(
                result("instructions", "{name}.raw.json"),
                name=sorted(FETCHED_INSTRUCTIONS),
            ),
            *expand(
                result("surprisal", "{name}.raw.json"),
                name=[m for m in PUBLISHED_SURPRISAL if m in NARROWED],
            ),
        ],
        manifests=expand(
            result("models", "{name}", "manifest.json"), name=FETCHED_MODELS
        ),
    output:
        sums=f"{STUDY.downloads}/{STUDY.study or 'default'}.sha256",
    log:
        log_of("fetch_everything"),
    benchmark:
        benchmark_of("fetch_everything")
    conda:
        "../envs/language-model.yaml"
    params:
        models=FETCHED_MODELS,
        mirror=STUDY.mirror,
        code=code("fetch_everything"),
    script:
        "../scripts/fetch_everything.py"


rule cost:
    log:
        log_of("cost"),
    conda:
        "../envs/encoding.yaml"
    params:
        results=RESULTS,
        code=code("cost"),
    script:
        "../scripts/cost.py"
