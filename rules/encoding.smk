"""Brain alignment: how well each layer predicts the responses, and how well anything could."""

# Benchmarks with a file of every target's scores → what it holds.
KEPT_TARGETS = {n: b.kept_targets for n, b in ALIGNMENT.items() if b.kept_targets}


def nuisance_of(wildcards):
    """Baselines beyond which a benchmark asks for a model's unique variance; none of them has any."""
    asked = ALIGNMENT[wildcards.benchmark].unique_variance
    beyond = [] if asked is None else asked.beyond
    return [] if wildcards.model in beyond else list(beyond)


def selectivity_of(wildcards):
    """The selectivity of a model's units for the localizer that a benchmark keeps units by."""
    reduce = ALIGNMENT[wildcards.benchmark].reduce
    localizer = None if reduce is None else reduce.localizer
    return (
        [result("selectivity", wildcards.model, f"{localizer}.parquet")]
        if localizer
        else []
    )


def sizes_of(wildcards):
    """Shapes of responses and of activations of a job, as far as they are there, and its benchmark."""
    entry = ALIGNMENT[wildcards.benchmark]
    dataset, model = entry.dataset, wildcards.get("model")
    read = read_dataset(wildcards.benchmark)
    activations = result("activations", str(model), f"{read}.safetensors")
    return (
        responses_shape(result("data", dataset, "responses.nc")),
        activations_shape(activations) if model else None,
        entry.scoring,
    )


def alignment_memory(wildcards, attempt):
    """Memory (MB) of a job of this benchmark."""
    return alignment_mb(*sizes_of(wildcards), attempt)


def alignment_time(wildcards, attempt):
    """Minutes that a cluster gives an alignment."""
    return alignment_minutes(*sizes_of(wildcards), attempt)


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
        mem_mb=lambda wildcards, attempt: max(
            2500 * attempt, alignment_memory(wildcards, attempt)
        ),
        runtime=run_time(60),
    params:
        scoring=lambda wildcards: plain(
            ALIGNMENT[wildcards.benchmark].scoring.of_responses
        ),
        ceiling=lambda wildcards: plain(ALIGNMENT[wildcards.benchmark].ceiling),
        seed=STUDY.seed,
        code=code("ceiling"),
    script:
        "../scripts/ceiling.py"


rule selectivity:
    input:
        activations=result("activations", "{model}", "{dataset}.safetensors"),
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
        conditions=result("data", "{dataset}", "responses.nc"),
    output:
        selectivity=result("selectivity", "{model}", "{dataset}.parquet"),
    log:
        log_of("selectivity", "model", "dataset"),
    benchmark:
        benchmark_of("selectivity", "model", "dataset")
    wildcard_constraints:
        model=one_of(READ_MODELS),
        dataset=one_of(LOCALIZERS),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=memory(2500),
    params:
        code=code("selectivity"),
    script:
        "../scripts/selectivity.py"


rule alignment:
    input:
        activations=lambda wildcards: result(
            "activations",
            wildcards.model,
            f"{read_dataset(wildcards.benchmark)}.safetensors",
        ),
        stimuli=benchmark_dataset(ALIGNMENT, "stimuli.parquet"),
        responses=benchmark_dataset(ALIGNMENT, "responses.nc"),
        nuisance=lambda wildcards: [
            result(
                "activations",
                name,
                ALIGNMENT[wildcards.benchmark].dataset + ".safetensors",
            )
            for name in nuisance_of(wildcards)
        ],
        selectivity=selectivity_of,
    output:
        alignment=result("alignment", "{model}", "{benchmark}.parquet"),
    log:
        log_of("alignment", "model", "benchmark"),
    benchmark:
        benchmark_of("alignment", "model", "benchmark")
    wildcard_constraints:
        model=one_of(NARROWED),
        benchmark=one_of(name for name in ALIGNMENT if name not in KEPT_TARGETS),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=alignment_memory,
        runtime=alignment_time,
    params:
        scoring=lambda wildcards: plain(ALIGNMENT[wildcards.benchmark].scoring),
        seed=STUDY.seed,
        nuisance=lambda wildcards: nuisance_of(wildcards),
        code=code("alignment"),
    script:
        "../scripts/alignment.py"


use rule alignment as alignment_of_targets with:
    output:
        alignment=result("alignment", "{model}", "{benchmark}.parquet"),
        targets=result("alignment", "{model}", "{benchmark}.targets.nc"),
    wildcard_constraints:
        model=one_of(NARROWED),
        benchmark=one_of(KEPT_TARGETS),
    params:
        targets=lambda wildcards: plain(KEPT_TARGETS[wildcards.benchmark]),


def vanilla_scores(wildcards):
    """The scores of targets of a tuned model's vanilla partner, if the study has them."""
    base = partner(ALL_MODELS[wildcards.model])
    if base not in MODELS or wildcards.benchmark not in scored(base, KEPT_TARGETS):
        return []
    return [result("alignment", base, f"{wildcards.benchmark}.targets.nc")]


def contrast_of_targets(wildcards):
    """The comparison of a tuned model with its partner target by target, if the study has it."""
    pair = {"model": wildcards.model, "benchmark": wildcards.benchmark}
    file = f"{wildcards.benchmark}.targets.parquet"
    return (
        [result("target_contrasts", wildcards.model, file)]
        if pair in TARGET_PAIRS
        else []
    )


rule maps:
    input:
        scores=result("alignment", "{model}", "{benchmark}.targets.nc"),
        vanilla=vanilla_scores,
        contrast=contrast_of_targets,
    output:
        maps=directory(result("maps", "{model}", "{benchmark}")),
    log:
        log_of("maps", "model", "benchmark"),
    benchmark:
        benchmark_of("maps", "model", "benchmark")
    wildcard_constraints:
        model=one_of(MODELS),
        benchmark=one_of(KEPT_TARGETS),
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=memory(2500),
    params:
        code=code("maps"),
    script:
        "../scripts/maps.py"


def maps_of_targets():
    """The maps of every model and benchmark that keep the scores of every target."""
    return [
        result("maps", model, benchmark)
        for model in MODELS
        for benchmark in scored(model, KEPT_TARGETS)
    ]


# Tuned models and benchmarks that keep r of every target under every draw of chance.
TARGET_PAIRS = [
    {"model": model, "benchmark": benchmark}
    for model in MODELS
    if (base := partner(MODELS[model])) in MODELS
    for benchmark in scored(model, KEPT_TARGETS)
    if KEPT_TARGETS[benchmark].draws and benchmark in scored(base, KEPT_TARGETS)
]


rule target_contrast:
    input:
        scores=result("alignment", "{model}", "{benchmark}.targets.nc"),
        vanilla=vanilla_scores,
    output:
        targets=result("target_contrasts", "{model}", "{benchmark}.targets.parquet"),
        summary=result("target_contrasts", "{model}", "{benchmark}.parquet"),
    log:
        log_of("target_contrast", "model", "benchmark"),
    benchmark:
        benchmark_of("target_contrast", "model", "benchmark")
    wildcard_constraints:
        model=one_of(MODELS),
        benchmark=one_of(KEPT_TARGETS),
    conda:
        "../envs/encoding.yaml"
    resources:
        mem_mb=memory(2500),
    params:
        level=lambda wildcards: ALIGNMENT[wildcards.benchmark].chance.level,
        code=code("target_contrast"),
    script:
        "../scripts/target_contrast.py"
