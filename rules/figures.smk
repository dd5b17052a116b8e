"""Figures, one rule each, and the report's captions."""

# The simulated subjects' regions are names that mean nothing (docs/methods/simulation.md).
REGION_BENCHMARKS = [n for n, b in ALIGNMENT.items() if b["dataset"] in REAL_DATASETS]
TUNED_HERE = [name for name in models_from("tune") if name in MODELS]


def figures():
    """The figures that a study of this config can have."""
    names = ["published"]
    names += ["layer_curves", "alignment", "legacy_controlled"] if SCORE_FILES else []
    names += ["improvement", "correlates"] if SCORE_FILES else []
    names += ["behavior"] if BEHAVIOR_FILES else []
    names += ["training"] if TUNED_HERE else []
    names += [f"regions/{benchmark}" for benchmark in REGION_BENCHMARKS]
    names += [f"datasets/{dataset}" for dataset in DATASETS]
    return [
        result("figures", f"{name}.{ending}")
        for name in names
        for ending in ("svg", "png")
    ]


def drawn(name, category, caption=None, **labels):
    """The two outputs of a figure's rule; the svg is in the report."""
    svg = result("figures", f"{name}.svg")
    caption = f"../report/{caption or name}.rst"
    return {
        "svg": report(
            svg, caption=caption, category=category, labels=labels or {"figure": name}
        ),
        "png": result("figures", f"{name}.png"),
    }


rule plot_published:
    input:
        models=rules.published_check.output.models,
        check=rules.published_check.output.check,
        categories=rules.published_check.input.categories,
    output:
        **drawn("published", "Published tables"),
    log:
        log_of("plot_published"),
    benchmark:
        benchmark_of("plot_published")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_published"),
    script:
        "../scripts/plot_published.py"


rule plot_layer_curves:
    input:
        **table_inputs("layers"),
    output:
        **drawn("layer_curves", "Brain alignment"),
    log:
        log_of("plot_layer_curves"),
    benchmark:
        benchmark_of("plot_layer_curves")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_layer_curves"),
    script:
        "../scripts/plot_layer_curves.py"


rule plot_alignment:
    input:
        **table_inputs("scores"),
    output:
        **drawn("alignment", "Brain alignment"),
    log:
        log_of("plot_alignment"),
    benchmark:
        benchmark_of("plot_alignment")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_alignment"),
    script:
        "../scripts/plot_alignment.py"


rule plot_legacy_controlled:
    input:
        **table_inputs("scores"),
    output:
        **drawn("legacy_controlled", "Brain alignment"),
    log:
        log_of("plot_legacy_controlled"),
    benchmark:
        benchmark_of("plot_legacy_controlled")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_legacy_controlled"),
    script:
        "../scripts/plot_legacy_controlled.py"


rule plot_regions:
    input:
        alignment=lambda wildcards: expand(
            result("alignment", "{model}", "{benchmark}.parquet"),
            model=MODELS,
            benchmark=wildcards.benchmark,
        ),
        ceilings=result("ceilings", "{benchmark}.parquet"),
    output:
        **drawn("regions/{benchmark}", "Regions", "regions", benchmark="{benchmark}"),
    log:
        log_of("plot_regions", "benchmark"),
    benchmark:
        benchmark_of("plot_regions", "benchmark")
    wildcard_constraints:
        benchmark=one_of(REGION_BENCHMARKS),
    conda:
        "../envs/figures.yaml"
    params:
        models=model_records(),
        mode=lambda wildcards: ALIGNMENT[wildcards.benchmark]["mode"],
        simulated=lambda wildcards: ALIGNMENT[wildcards.benchmark]["dataset"]
        in SIMULATED_DATASETS,
        code=code("plot_regions"),
    script:
        "../scripts/plot_regions.py"


rule plot_improvement:
    input:
        **table_inputs("contrasts"),
    output:
        **drawn("improvement", "Instruction tuning"),
    log:
        log_of("plot_improvement"),
    benchmark:
        benchmark_of("plot_improvement")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_improvement"),
    script:
        "../scripts/plot_improvement.py"


rule plot_training:
    input:
        logs=expand(result("models", "{model}", "training.csv"), model=TUNED_HERE),
    output:
        **drawn("training", "Instruction tuning"),
    log:
        log_of("plot_training"),
    benchmark:
        benchmark_of("plot_training")
    conda:
        "../envs/figures.yaml"
    params:
        models={
            name: record
            for name, record in model_records().items()
            if name in TUNED_HERE
        },
        code=code("plot_training"),
    script:
        "../scripts/plot_training.py"


rule plot_correlates:
    input:
        **table_inputs("scores", "correlations", "capabilities", "behaviors", "losses"),
    output:
        **drawn("correlates", "Correlates"),
    log:
        log_of("plot_correlates"),
    benchmark:
        benchmark_of("plot_correlates")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_correlates"),
    script:
        "../scripts/plot_correlates.py"


rule plot_behavior:
    input:
        **table_inputs("behaviors", "correlations", "capabilities"),
    output:
        **drawn("behavior", "Behaviour"),
    log:
        log_of("plot_behavior"),
    benchmark:
        benchmark_of("plot_behavior")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_behavior"),
    script:
        "../scripts/plot_behavior.py"


rule plot_dataset:
    input:
        stimuli=result("data", "{dataset}", "stimuli.parquet"),
        responses=result("data", "{dataset}", "responses.nc"),
        card=result("data", "{dataset}", "card.json"),
    output:
        **drawn("datasets/{dataset}", "Datasets", "dataset", dataset="{dataset}"),
    log:
        log_of("plot_dataset", "dataset"),
    benchmark:
        benchmark_of("plot_dataset", "dataset")
    wildcard_constraints:
        dataset=one_of(DATASETS),
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_dataset"),
    script:
        "../scripts/plot_dataset.py"
