"""What a model contributes: hidden states and word probabilities for every stimulus."""

from brainalign.models.settings import Embedding, SurprisalFeature


def presented(wildcards):
    """How texts are presented to a model: its first presentation."""
    return presentation(model_entry(wildcards))


def weights_manifest(wildcards):
    """The manifest of the model whose weights are read; a presentation has no weights."""
    return result("models", weights_of(wildcards.model, ALL_MODELS), "manifest.json")


def unaltered(file):
    """A file of the dataset that is read, or of the one whose text was altered for it."""

    def path(wildcards):
        made = ALTERED.get(wildcards.dataset)
        return result("data", made.of if made else wildcards.dataset, file)

    return path


def surprisal_code(script):
    """The code of a rule that reads published surprisal: its release's reader, no other."""
    return reader_code(script, lambda wildcards: model_entry(wildcards).source)


localrules:
    fetch_surprisal,


# Baselines that are a language model's word vectors.
EMBEDDINGS = [
    name
    for name in models_from("baseline")
    if isinstance(ALL_MODELS[name].source, Embedding)
]
# Baselines that are a language model's surprisal.
SURPRISALS = [
    name
    for name in models_from("baseline")
    if isinstance(ALL_MODELS[name].source, SurprisalFeature)
]


rule alter_text:
    input:
        stimuli=lambda wildcards: result(
            "data", ALTERED[wildcards.dataset].of, "stimuli.parquet"
        ),
    output:
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
    log:
        log_of("alter_text", "dataset"),
    benchmark:
        benchmark_of("alter_text", "dataset")
    wildcard_constraints:
        dataset=one_of([name for name in ALTERED if name not in SURROGATES]),
    conda:
        "../envs/data.yaml"
    params:
        control=lambda wildcards: ALTERED[wildcards.dataset].control,
        seed=STUDY.seed,
        code=code("alter_text"),
    script:
        "../scripts/alter_text.py"


rule activations:
    input:
        manifest=weights_manifest,
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
    output:
        activations=kept_activations(
            result("activations", "{model}", "{dataset}.safetensors")
        ),
    log:
        log_of("activations", "model", "dataset"),
    benchmark:
        benchmark_of("activations", "model", "dataset")
    wildcard_constraints:
        model=one_of(READ_MODELS),
        dataset=one_of(
            name for name in READ_DATASETS if name not in {*SURROGATES, *BY_VOLUME}
        ),
    conda:
        "../envs/language-model.yaml"
    threads: STUDY.model_threads
    resources:
        mem_mb=model_memory,
        runtime=reading_time("activations"),
        gpu=model_gpus,
        gpu_mem_mb=model_gpu_memory,
    params:
        context=dataset_key("context"),
        pooling=dataset_key("pooling"),
        bos=model_key("bos", "default"),
        presentation=presented,
        decoder_input=model_key("decoder_input", "shifted"),
        code=code("activations"),
    script:
        "../scripts/activations.py"


# With `keep: volumes` the words' activations are there until their means over volumes are.
use rule activations as activations_of_words with:
    output:
        activations=temp(result("words", "{model}", "{dataset}.safetensors")),
    log:
        log_of("activations_of_words", "model", "dataset"),
    benchmark:
        benchmark_of("activations_of_words", "model", "dataset")
    wildcard_constraints:
        model=one_of(READ_MODELS),
        dataset=one_of(name for name in BY_VOLUME if name not in SURROGATES),


rule volume_activations:
    input:
        words=result("words", "{model}", "{dataset}.safetensors"),
        stimuli=unaltered("stimuli.parquet"),
        responses=unaltered("responses.nc"),
    output:
        activations=result("activations", "{model}", "{dataset}.safetensors"),
    log:
        log_of("volume_activations", "model", "dataset"),
    benchmark:
        benchmark_of("volume_activations", "model", "dataset")
    wildcard_constraints:
        model=one_of(READ_MODELS),
        dataset=one_of(BY_VOLUME),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        code=code("volume_activations"),
    script:
        "../scripts/volume_activations.py"


rule surrogate_activations:
    input:
        activations=lambda wildcards: result(
            "activations",
            wildcards.model,
            f"{ALTERED[wildcards.dataset].of}.safetensors",
        ),
    output:
        activations=kept_activations(
            result("activations", "{model}", "{dataset}.safetensors")
        ),
    log:
        log_of("surrogate_activations", "model", "dataset"),
    benchmark:
        benchmark_of("surrogate_activations", "model", "dataset")
    wildcard_constraints:
        model=one_of(READ_MODELS),
        dataset=one_of(name for name in SURROGATES if name not in BY_VOLUME),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=memory(4000),
    params:
        seed=STUDY.seed,
        code=code("surrogate_activations"),
    script:
        "../scripts/surrogate_activations.py"


use rule surrogate_activations as surrogates_of_words with:
    input:
        activations=lambda wildcards: result(
            "words",
            wildcards.model,
            f"{ALTERED[wildcards.dataset].of}.safetensors",
        ),
    output:
        activations=temp(result("words", "{model}", "{dataset}.safetensors")),
    log:
        log_of("surrogates_of_words", "model", "dataset"),
    benchmark:
        benchmark_of("surrogates_of_words", "model", "dataset")
    wildcard_constraints:
        model=one_of(READ_MODELS),
        dataset=one_of(name for name in SURROGATES if name in BY_VOLUME),


rule baseline_activations:
    input:
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
        responses=result("data", "{dataset}", "responses.nc"),
        user=lambda wildcards: user_files(model_entry(wildcards).source),
    output:
        activations=kept_activations(
            result("activations", "{model}", "{dataset}.safetensors")
        ),
    log:
        log_of("baseline_activations", "model", "dataset"),
    benchmark:
        benchmark_of("baseline_activations", "model", "dataset")
    wildcard_constraints:
        model=one_of(
            [
                name
                for name in models_from("baseline")
                if name not in (*EMBEDDINGS, *SURPRISALS)
            ]
        ),
        dataset=one_of(DATASETS),
    conda:
        "../envs/encoding.yaml"
    params:
        name="{model}",
        source=model_source,
        seed=STUDY.seed,
        code=code("baseline_activations"),
    script:
        "../scripts/baseline_activations.py"


rule embedding_activations:
    input:
        manifest=lambda wildcards: result(
            "models", parent(model_entry(wildcards)), "manifest.json"
        ),
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
    output:
        activations=kept_activations(
            result("activations", "{model}", "{dataset}.safetensors")
        ),
    log:
        log_of("embedding_activations", "model", "dataset"),
    benchmark:
        benchmark_of("embedding_activations", "model", "dataset")
    wildcard_constraints:
        model=one_of(EMBEDDINGS),
        dataset=one_of(DATASETS),
    conda:
        "../envs/language-model.yaml"
    threads: STUDY.model_threads
    resources:
        mem_mb=host_memory,
        runtime=run_time(30, 10),
    params:
        name="{model}",
        context=dataset_key("context"),
        code=code("embedding_activations"),
    script:
        "../scripts/embedding_activations.py"


rule surprisal_activations:
    input:
        surprisal=lambda wildcards: result(
            "surprisal", parent(model_entry(wildcards)), f"{wildcards.dataset}.parquet"
        ),
    output:
        activations=kept_activations(
            result("activations", "{model}", "{dataset}.safetensors")
        ),
    log:
        log_of("surprisal_activations", "model", "dataset"),
    benchmark:
        benchmark_of("surprisal_activations", "model", "dataset")
    wildcard_constraints:
        model=one_of(SURPRISALS),
        dataset=one_of(DATASETS),
    conda:
        "../envs/encoding.yaml"
    params:
        name="{model}",
        of=lambda wildcards: parent(model_entry(wildcards)),
        code=code("surprisal_activations"),
    script:
        "../scripts/surprisal_activations.py"


def surprisal_settings(wildcards):
    """How a model reads words for their surprisal: arguments of `word_surprisal`."""
    of_model = {
        "bos": model_key("bos", "default"),
        "method": model_key("surprisal", "prefix"),
        "presentation": presented,
    }
    keys = of_model | {k: dataset_key(k) for k in ("context", "stride", "whitespace")}
    return {name: value(wildcards) for name, value in keys.items()}


rule surprisal:
    input:
        manifest=weights_manifest,
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
    output:
        surprisal=result("surprisal", "{model}", "{dataset}.parquet"),
    log:
        log_of("surprisal", "model", "dataset"),
    benchmark:
        benchmark_of("surprisal", "model", "dataset")
    wildcard_constraints:
        model=one_of(
            [
                *READ_MODELS,
                *(
                    parent(ALL_MODELS[name])
                    for name in (*TOKEN_COUNTS, *SURPRISALS)
                    if parent(ALL_MODELS[name]) not in PUBLISHED_SURPRISAL
                ),
            ]
        ),
        dataset=one_of(DATASETS),
    conda:
        "../envs/language-model.yaml"
    threads: STUDY.model_threads
    resources:
        mem_mb=model_memory,
        runtime=surprisal_time,
        gpu=model_gpus,
        gpu_mem_mb=model_gpu_memory,
    params:
        settings=surprisal_settings,
        code=code("surprisal"),
    script:
        "../scripts/surprisal.py"


rule layer_surprisal:
    input:
        manifest=weights_manifest,
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
    output:
        surprisal=result("layer_surprisal", "{model}", "{dataset}.parquet"),
    log:
        log_of("layer_surprisal", "model", "dataset"),
    benchmark:
        benchmark_of("layer_surprisal", "model", "dataset")
    wildcard_constraints:
        model=one_of(RUN_MODELS),
        dataset=one_of(DATASETS),
    conda:
        "../envs/language-model.yaml"
    threads: STUDY.model_threads
    resources:
        mem_mb=model_memory,
        runtime=reading_time("layer surprisal"),
        gpu=model_gpus,
        gpu_mem_mb=model_gpu_memory,
    params:
        settings=surprisal_settings,
        code=code("layer_surprisal"),
    script:
        "../scripts/layer_surprisal.py"


rule fetch_surprisal:
    input:
        user=lambda wildcards: user_files(model_entry(wildcards).source),
    output:
        raw=result("surprisal", "{model}.raw.json"),
    log:
        log_of("fetch_surprisal", "model"),
    benchmark:
        benchmark_of("fetch_surprisal", "model")
    wildcard_constraints:
        model=one_of(PUBLISHED_SURPRISAL),
    priority: 60
    conda:
        "../envs/data.yaml"
    params:
        source=model_source,
        kind="surprisal",
        downloads=STUDY.downloads,
        code=surprisal_code("fetch_dataset"),
    script:
        "../scripts/fetch_dataset.py"


rule published_surprisal:
    input:
        raw=rules.fetch_surprisal.output.raw,
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
    output:
        surprisal=result("surprisal", "{model}", "{dataset}.parquet"),
        record=result("surprisal", "{model}", "{dataset}.json"),
    log:
        log_of("published_surprisal", "model", "dataset"),
    benchmark:
        benchmark_of("published_surprisal", "model", "dataset")
    wildcard_constraints:
        model=one_of(PUBLISHED_SURPRISAL),
        dataset=one_of(DATASETS),
    conda:
        "../envs/data.yaml"
    params:
        source=model_source,
        code=surprisal_code("published_surprisal"),
    script:
        "../scripts/published_surprisal.py"


rule token_counts:
    input:
        surprisal=lambda wildcards: result(
            "surprisal", parent(model_entry(wildcards)), f"{wildcards.dataset}.parquet"
        ),
    output:
        counts=result("surprisal", "{model}", "{dataset}.parquet"),
    log:
        log_of("token_counts", "model", "dataset"),
    benchmark:
        benchmark_of("token_counts", "model", "dataset")
    wildcard_constraints:
        model=one_of(TOKEN_COUNTS),
        dataset=one_of(DATASETS),
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("token_counts"),
    script:
        "../scripts/token_counts.py"


rule next_word_loss:
    input:
        manifest=result("models", "{model}", "manifest.json"),
        text=lambda wildcards: (
            rules.simulate_corpus.output.held_out
            if wildcards.text in SIMULATED_TEXTS
            else result("texts", f"{wildcards.text}.txt")
        ),
    output:
        loss=result("next_word", "{model}", "{text}.json"),
    log:
        log_of("next_word_loss", "model", "text"),
    benchmark:
        benchmark_of("next_word_loss", "model", "text")
    wildcard_constraints:
        model=one_of([*RUN_MODELS, *CHECKPOINTS]),
        text=one_of(TEXTS),
    conda:
        "../envs/language-model.yaml"
    threads: STUDY.model_threads
    resources:
        mem_mb=model_memory,
        runtime=reading_time("next_word_loss"),
        gpu=model_gpus,
        gpu_mem_mb=model_gpu_memory,
    params:
        documents=lambda wildcards: TEXTS[wildcards.text].documents,
        window=lambda wildcards: TEXTS[wildcards.text].window,
        stride=lambda wildcards: TEXTS[wildcards.text].stride,
        max_tokens=lambda wildcards: TEXTS[wildcards.text].max_tokens,
        bos=model_key("bos", "default"),
        method=model_key("surprisal", "prefix"),
        code=code("next_word_loss"),
    script:
        "../scripts/next_word_loss.py"
