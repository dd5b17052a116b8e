"""Figures, one rule each, the report's pages, and its captions."""

# The simulated subjects' regions are names that mean nothing (docs/methods/simulation.md).
REGION_BENCHMARKS = [n for n, b in REGRESSIONS.items() if b.dataset in REAL_DATASETS]
# Figures with a row per model, in pages where models are many.
PAGED = {
    "layer_curves",
    "alignment",
    "legacy_controlled",
    "profiles",
    "baselines",
    "losses",
    "behavior",
    "reading_measures",
    "presentations",
}
SHOWN = {name: NARROWED[name] for name in (*MODELS, *PRESENTED)}
PAGES = figure_pages(SHOWN)
# Figures that bear the name of the table that they draw.
OF_ONE_TABLE = [
    "profiles",
    "baselines",
    "mixed_effects",
    "trajectory",
    "losses",
    "measured_published",
    "presentations",
    "reading_loss",
    "published_fits",
]
TUNED_HERE = [name for name in models_from("tune") if name in MODELS]


def figures():
    """The figures that a study of this config can have."""
    names = ["published"]
    names += ["layer_curves", "alignment", "legacy_controlled"] if SCORE_FILES else []
    names += ["improvement", "correlates"] if SCORE_FILES else []
    names += ["behavior", "reading_measures"] if BEHAVIOR_FILES else []
    names += ["training"] if TUNED_HERE else []
    names += [name for name in OF_ONE_TABLE if table_inputs(name)]
    names += [f"regions/{benchmark}" for benchmark in REGION_BENCHMARKS]
    names += [f"datasets/{dataset}" for dataset in DATASETS]
    return [
        result("figures", f"{name}.{ending}")
        for figure in names
        for name in (files_of(figure) if figure in PAGED else [figure])
        for ending in ("svg", "png")
    ]


def pages():
    """The pages of the report: the study on one page, the data cards, every table."""
    names = ["summary", "data_cards", *(Path(path).stem for path in tables())]
    return [result("pages", f"{name}.html") for name in names]


def paged(name, category="Tables"):
    """A page of the report, with its caption."""
    return report(
        result("pages", f"{name}.html"),
        caption=f"../report/tables/{name}.rst",
        category=category,
        labels={"table": name.replace("_", " ")},
    )


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


def files_of(name):
    """The names of the files of a figure with a row per model: its own, or one per page."""
    if len(PAGES) == 1:
        return [name]
    return [f"{name}-{number}" for number in range(1, len(PAGES) + 1)]


def drawn_pages(name, category):
    """The outputs of a rule whose figure may have pages: an svg and a png of each."""
    pages = []
    for number, (file, page) in enumerate(zip(files_of(name), PAGES), start=1):
        families = ", ".join(families_of(page, SHOWN))
        label = f"{name}, page {number}: {families}" if len(PAGES) > 1 else name
        pages.append(drawn(file, category, caption=name, figure=label))
    return {kind: [page[kind] for page in pages] for kind in ("svg", "png")}


rule plot_published:
    input:
        models=rules.published_check.output.models,
        check=rules.published_check.output.check,
        widths=rules.double_descent.output.table,
    output:
        **drawn("published", "Published tables"),
    log:
        log_of("plot_published"),
    benchmark:
        benchmark_of("plot_published")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_published", published("capability_categories")),
    script:
        "../scripts/plot_published.py"


rule plot_layer_curves:
    input:
        **table_inputs("layers", "scores"),
    output:
        **drawn_pages("layer_curves", "Brain alignment"),
    log:
        log_of("plot_layer_curves"),
    benchmark:
        benchmark_of("plot_layer_curves")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_layer_curves"),
    script:
        "../scripts/plot_layer_curves.py"


rule plot_profiles:
    input:
        **table_inputs("profiles", "scores"),
    output:
        **drawn_pages("profiles", "Brain alignment"),
    log:
        log_of("plot_profiles"),
    benchmark:
        benchmark_of("plot_profiles")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_profiles"),
    script:
        "../scripts/plot_profiles.py"


rule plot_alignment:
    input:
        **table_inputs("scores"),
    output:
        **drawn_pages("alignment", "Brain alignment"),
    log:
        log_of("plot_alignment"),
    benchmark:
        benchmark_of("plot_alignment")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_alignment"),
    script:
        "../scripts/plot_alignment.py"


rule plot_legacy_controlled:
    input:
        **table_inputs("scores"),
    output:
        **drawn_pages("legacy_controlled", "Brain alignment"),
    log:
        log_of("plot_legacy_controlled"),
    benchmark:
        benchmark_of("plot_legacy_controlled")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_legacy_controlled"),
    script:
        "../scripts/plot_legacy_controlled.py"


rule plot_baselines:
    input:
        **table_inputs("baselines", "scores"),
    output:
        **drawn_pages("baselines", "Brain alignment"),
    log:
        log_of("plot_baselines"),
    benchmark:
        benchmark_of("plot_baselines")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_baselines"),
    script:
        "../scripts/plot_baselines.py"


REGION_FILES = [f for f in SCORE_FILES if f["benchmark"] in REGION_BENCHMARKS]
REGION_FIGURES = {
    benchmark: drawn(f"regions/{benchmark}", "Regions", "regions", benchmark=benchmark)
    for benchmark in REGION_BENCHMARKS
}


rule plot_regions:
    input:
        alignment=[
            result("alignment", f["model"], f["benchmark"] + ".parquet")
            for f in REGION_FILES
        ],
        ceilings=expand(
            result("ceilings", "{benchmark}.parquet"), benchmark=REGION_BENCHMARKS
        ),
    output:
        svg=[figure["svg"] for figure in REGION_FIGURES.values()],
        png=[figure["png"] for figure in REGION_FIGURES.values()],
    log:
        log_of("plot_regions"),
    benchmark:
        benchmark_of("plot_regions")
    conda:
        "../envs/figures.yaml"
    params:
        files=REGION_FILES,
        models=model_records(),
        modes={name: ALIGNMENT[name].mode for name in REGION_BENCHMARKS},
        code=code("plot_regions"),
    script:
        "../scripts/plot_regions.py"


rule plot_improvement:
    input:
        **table_inputs("contrasts", "scores"),
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


rule plot_mixed_effects:
    input:
        **table_inputs("mixed_effects"),
    output:
        **drawn("mixed_effects", "Instruction tuning"),
    log:
        log_of("plot_mixed_effects"),
    benchmark:
        benchmark_of("plot_mixed_effects")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_mixed_effects"),
    script:
        "../scripts/plot_mixed_effects.py"


rule plot_trajectory:
    input:
        **table_inputs("trajectory", "scores"),
    output:
        **drawn("trajectory", "Instruction tuning"),
    log:
        log_of("plot_trajectory"),
    benchmark:
        benchmark_of("plot_trajectory")
    conda:
        "../envs/figures.yaml"
    params:
        scored_on=SCORED_ON,
        code=code("plot_trajectory"),
    script:
        "../scripts/plot_trajectory.py"


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


rule plot_losses:
    input:
        **table_inputs("losses"),
    output:
        **drawn_pages("losses", "Correlates"),
    log:
        log_of("plot_losses"),
    benchmark:
        benchmark_of("plot_losses")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_losses"),
    script:
        "../scripts/plot_losses.py"


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
        **table_inputs("behaviors", "correlations", "capabilities", "losses"),
    output:
        **drawn_pages("behavior", "Behaviour"),
    log:
        log_of("plot_behavior"),
    benchmark:
        benchmark_of("plot_behavior")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_behavior"),
    script:
        "../scripts/plot_behavior.py"


rule plot_reading_loss:
    input:
        **table_inputs("behaviors", "reading_loss"),
    output:
        **drawn("reading_loss", "Behaviour"),
    log:
        log_of("plot_reading_loss"),
    benchmark:
        benchmark_of("plot_reading_loss")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_reading_loss"),
    script:
        "../scripts/plot_reading_loss.py"


rule plot_published_fits:
    input:
        **table_inputs("published_fits"),
    output:
        **drawn("published_fits", "Published tables"),
    log:
        log_of("plot_published_fits"),
    benchmark:
        benchmark_of("plot_published_fits")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_published_fits"),
    script:
        "../scripts/plot_published_fits.py"


rule plot_presentations:
    input:
        **table_inputs("presentations"),
    output:
        **drawn_pages("presentations", "Behaviour"),
    log:
        log_of("plot_presentations"),
    benchmark:
        benchmark_of("plot_presentations")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_presentations"),
    script:
        "../scripts/plot_presentations.py"


rule plot_reading_measures:
    input:
        **table_inputs("behaviors"),
    output:
        **drawn_pages("reading_measures", "Behaviour"),
    log:
        log_of("plot_reading_measures"),
    benchmark:
        benchmark_of("plot_reading_measures")
    conda:
        "../envs/figures.yaml"
    params:
        pages=PAGES,
        code=code("plot_reading_measures"),
    script:
        "../scripts/plot_reading_measures.py"


rule plot_measured_published:
    input:
        **table_inputs("measured_published"),
    output:
        **drawn("measured_published", "Published tables"),
    log:
        log_of("plot_measured_published"),
    benchmark:
        benchmark_of("plot_measured_published")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_measured_published"),
    script:
        "../scripts/plot_measured_published.py"


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


rule pages:
    input:
        tables=tables(),
        cards=expand(result("data", "{dataset}", "card.json"), dataset=DATASETS),
    output:
        **{Path(path).stem: paged(Path(path).stem) for path in tables()},
        summary=paged("summary", "Summary"),
        data_cards=paged("data_cards", "Data cards"),
    log:
        log_of("pages"),
    benchmark:
        benchmark_of("pages")
    conda:
        "../envs/figures.yaml"
    params:
        datasets=list(DATASETS),
        code=code("pages"),
    script:
        "../scripts/pages.py"
