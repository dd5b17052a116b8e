"""Figures, one rule each, the report's pages, and its captions."""

from brainalign.figures.captions import caption as caption_text, title
from brainalign.resources import PAGE_PARTS, caption as caption_file

# Benchmark of real data → the files of its models' scores. (The simulated subjects' regions are names
# that mean nothing, docs/methods/simulation.md.)
REGION_FILES = {
    benchmark: files
    for benchmark, entry in REGRESSIONS.items()
    if entry.dataset in REAL_DATASETS
    and (files := [f for f in SCORE_FILES if f["benchmark"] == benchmark])
}
# What is drawn of the maps of scores: (model, benchmark), whose targets may have coordinates in a brain.
MAPPED = [
    (model, benchmark)
    for benchmark in KEPT_TARGETS
    for model in MODELS
    if DATASETS[ALIGNMENT[benchmark].dataset].source.located is not False
    and benchmark in scored(model, KEPT_TARGETS)
]
# Section of the report → its figures, in order.
SECTIONS = {
    "Instruction tuning": [
        "improvement",
        "target_contrasts",
        "mixed_effects",
        "trajectory",
        "training",
    ],
    "Brain alignment": [
        "alignment",
        "layer_curves",
        "profiles",
        "legacy_controlled",
        "baselines",
        "text_controls",
        "regions",
        "maps",
    ],
    "Correlates of alignment": ["correlates", "losses"],
    "Reading times": [
        "behavior",
        "reading_loss",
        "reading_measures",
        "reading_profiles",
        "presentations",
    ],
    "Published tables": ["published", "measured_published", "published_fits"],
    "Datasets": ["dataset"],
}
SECTION_OF = {
    figure: section for section, figures in SECTIONS.items() for figure in figures
}
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
# Figure → those params of its rule that its caption asks for.
CAPTION_PARAMS = {name: {"pages": PAGES} for name in PAGED} | {
    "trajectory": {"tuning": bool(STUDY.tuning), "stages": bool(STUDY.stages)}
}
# Figures that bear the name of the table that they draw.
OF_ONE_TABLE = [
    "baselines",
    "trajectory",
    "losses",
    "measured_published",
    "presentations",
    "published_fits",
    "reading_profiles",
    "text_controls",
]
TUNED_HERE = [name for name in models_from("tune") if name in MODELS]


# Whether a tuned model is compared with its vanilla partner.
HAS_PAIRS = any(partner(model) in MODELS for model in MODELS.values())


def in_both_modes():
    """Whether models are scored on a brain dataset in both modes."""
    scored_in = {
        (entry.dataset, entry.mode)
        for f in SCORE_FILES
        if not (entry := REGRESSIONS[f["benchmark"]]).companion
    }
    return any(
        (dataset, "legacy") in scored_in
        for dataset, mode in scored_in
        if mode == "controlled"
    )


def figure_names():
    """The figures that a study of this config can have, by the names of their captions."""
    names = ["published"] if HAS_PAPER else []
    names += ["layer_curves", "alignment", "correlates"] if SCORE_FILES else []
    names += ["legacy_controlled", "profiles"] if in_both_modes() else []
    names += ["improvement", "mixed_effects"] if SCORE_FILES and HAS_PAIRS else []
    names += ["target_contrasts"] if TARGET_PAIRS else []
    names += ["reading_loss"] if BEHAVIOR_FILES and HAS_PAIRS else []
    names += ["behavior", "reading_measures"] if BEHAVIOR_FILES else []
    names += ["training"] if TUNED_HERE else []
    names += [name for name in OF_ONE_TABLE if table_inputs(name)]
    names += ["regions"] if REGION_FILES else []
    names += ["maps"] if MAPPED else []
    names += ["dataset"] if DATASETS else []
    return [name for name in SECTION_OF if name in names]


def parts_of(name):
    """The files of a figure below `figures/`, each with what tells it from the figure's others:
    the families of a page, and the wildcards of the caption.
    """
    if name == "regions":
        return [(f"regions/{b}", "", {"benchmark": b}) for b in REGION_FILES]
    if name == "target_contrasts":
        return [
            ("target_contrasts/{model}/{benchmark}".format(**pair), "", pair)
            for pair in TARGET_PAIRS
        ]
    if name == "maps":
        return [(f"maps/{m}/{b}", "", {"model": m, "benchmark": b}) for m, b in MAPPED]
    if name == "dataset":
        return [(f"datasets/{d}", "", {"dataset": d}) for d in DATASETS]
    if name not in PAGED or len(PAGES) == 1:
        return [(name, "", {})]
    return [
        (f"{name}-{number}", ", ".join(families_of(page, SHOWN)), {})
        for number, page in enumerate(PAGES, start=1)
    ]


def figures(*endings):
    """The files of all figures, in the report's order."""
    return [
        result("figures", f"{file}.{ending}")
        for name in figure_names()
        for file, _, _ in parts_of(name)
        for ending in endings
    ]


def figures_about():
    """What the report's first page says of every figure, in the order of `figures`."""
    return [
        {
            "caption": name,
            "section": SECTION_OF[name],
            "part": part,
            "wildcards": wildcards,
            "params": CAPTION_PARAMS.get(name, {}),
        }
        for name in figure_names()
        for _, part, wildcards in parts_of(name)
    ]


def pages():
    """The pages of the report: the study on one page, the data cards, every table."""
    names = ["summary", "data_cards", *(Path(path).stem for path in tables())]
    return [result("pages", f"{name}.html") for name in names]


def paged(name, category="Tables"):
    """A page of the report, with its caption and in the menu the caption's title."""
    words = title(caption_text(caption_file(f"tables/{name}")))
    return report(
        result("pages", f"{name}.html"),
        caption=f"../report/tables/{name}.rst",
        category=category,
        labels={"table": words},
    )


def drawn(file, name, part="", **wildcards):
    """The two outputs of a figure's rule; the svg is in the report, under its caption's title.

    `file` may hold wildcards, which `wildcards` says how to name.
    """
    params = CAPTION_PARAMS.get(name, {})
    words = title(caption_text(caption_file(name), params, **wildcards))
    return {
        "svg": report(
            result("figures", f"{file}.svg"),
            caption=f"../report/{name}.rst",
            category=SECTION_OF[name],
            labels={"figure": f"{words}: {part}" if part else words},
        ),
        "png": result("figures", f"{file}.png"),
    }


def drawn_parts(name):
    """The outputs of a rule whose figure may have several files: an svg and a png of each."""
    files = [
        drawn(file, name, part, **wildcards) for file, part, wildcards in parts_of(name)
    ]
    return {kind: [file[kind] for file in files] for kind in ("svg", "png")}


rule plot_published:
    input:
        models=rules.published_check.output.models,
        check=rules.published_check.output.check,
        widths=rules.double_descent.output.table,
    output:
        **drawn("published", "published"),
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
        **drawn_parts("layer_curves"),
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
        **drawn_parts("profiles"),
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
        **drawn_parts("alignment"),
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
        **drawn_parts("legacy_controlled"),
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
        **drawn_parts("baselines"),
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


rule plot_regions:
    input:
        alignment=lambda wildcards: [
            result("alignment", f["model"], f["benchmark"] + ".parquet")
            for f in REGION_FILES[wildcards.benchmark]
        ],
        ceilings=result("ceilings", "{benchmark}.parquet"),
    output:
        **drawn("regions/{benchmark}", "regions", benchmark="{benchmark}"),
    log:
        log_of("plot_regions", "benchmark"),
    benchmark:
        benchmark_of("plot_regions", "benchmark")
    wildcard_constraints:
        benchmark=one_of(REGION_FILES),
    conda:
        "../envs/figures.yaml"
    params:
        models=lambda wildcards: [
            model_records()[f["model"]] | {"model": f["model"]}
            for f in REGION_FILES[wildcards.benchmark]
        ],
        mode=lambda wildcards: ALIGNMENT[wildcards.benchmark].mode,
        code=code("plot_regions"),
    script:
        "../scripts/plot_regions.py"


rule plot_maps:
    input:
        maps=rules.maps.output.maps,
    output:
        **drawn(
            "maps/{model}/{benchmark}",
            "maps",
            model="{model}",
            benchmark="{benchmark}",
        ),
    log:
        log_of("plot_maps", "model", "benchmark"),
    benchmark:
        benchmark_of("plot_maps", "model", "benchmark")
    wildcard_constraints:
        model=one_of(model for model, _ in MAPPED),
        benchmark=one_of(benchmark for _, benchmark in MAPPED),
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=memory(2500),
    params:
        label=lambda wildcards: model_records()[wildcards.model]["label"],
        level=lambda wildcards: getattr(
            ALIGNMENT[wildcards.benchmark].chance, "level", None
        ),
        simulated=lambda wildcards: is_simulated(wildcards.model, ALL_MODELS)
        or ALIGNMENT[wildcards.benchmark].dataset in SIMULATED_DATASETS,
        code=code("plot_maps"),
    script:
        "../scripts/plot_maps.py"


rule plot_target_contrasts:
    input:
        summary=result("target_contrasts", "{model}", "{benchmark}.parquet"),
    output:
        **drawn(
            "target_contrasts/{model}/{benchmark}",
            "target_contrasts",
            model="{model}",
            benchmark="{benchmark}",
        ),
    log:
        log_of("plot_target_contrasts", "model", "benchmark"),
    benchmark:
        benchmark_of("plot_target_contrasts", "model", "benchmark")
    wildcard_constraints:
        model=one_of(pair["model"] for pair in TARGET_PAIRS),
        benchmark=one_of(pair["benchmark"] for pair in TARGET_PAIRS),
    conda:
        "../envs/figures.yaml"
    params:
        about=lambda wildcards: about_pair(wildcards.model, wildcards.benchmark),
        level=lambda wildcards: ALIGNMENT[wildcards.benchmark].chance.level,
        code=code("plot_target_contrasts"),
    script:
        "../scripts/plot_target_contrasts.py"


rule plot_improvement:
    input:
        **table_inputs("contrasts", "scores"),
    output:
        **drawn("improvement", "improvement"),
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
        **drawn("mixed_effects", "mixed_effects"),
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
        **drawn("trajectory", "trajectory"),
    log:
        log_of("plot_trajectory"),
    benchmark:
        benchmark_of("plot_trajectory")
    conda:
        "../envs/figures.yaml"
    params:
        **CAPTION_PARAMS["trajectory"],
        scored_on=SCORED_ON,
        code=code("plot_trajectory"),
    script:
        "../scripts/plot_trajectory.py"


rule plot_training:
    input:
        logs=expand(result("models", "{model}", "training.csv"), model=TUNED_HERE),
    output:
        **drawn("training", "training"),
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
        **drawn_parts("losses"),
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
        **drawn("correlates", "correlates"),
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
        **drawn_parts("behavior"),
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
        **drawn("reading_loss", "reading_loss"),
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
        **drawn("published_fits", "published_fits"),
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


rule plot_text_controls:
    input:
        **table_inputs("text_controls"),
    output:
        **drawn("text_controls", "text_controls"),
    log:
        log_of("plot_text_controls"),
    benchmark:
        benchmark_of("plot_text_controls")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_text_controls"),
    script:
        "../scripts/plot_text_controls.py"


rule plot_reading_profiles:
    input:
        **table_inputs("reading_profiles"),
    output:
        **drawn("reading_profiles", "reading_profiles"),
    log:
        log_of("plot_reading_profiles"),
    benchmark:
        benchmark_of("plot_reading_profiles")
    conda:
        "../envs/figures.yaml"
    params:
        code=code("plot_reading_profiles"),
    script:
        "../scripts/plot_reading_profiles.py"


rule plot_presentations:
    input:
        **table_inputs("presentations"),
    output:
        **drawn_parts("presentations"),
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
        **drawn_parts("reading_measures"),
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
        **drawn("measured_published", "measured_published"),
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
        **drawn("datasets/{dataset}", "dataset", dataset="{dataset}"),
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
        code=code("pages", *PAGE_PARTS),
    script:
        "../scripts/pages.py"


# What ran on what, for the head of the report.
RAN = {
    "models": {
        name: {key: record[key] for key in ("role", "simulated")}
        for name, record in model_records().items()
    },
    "brains": sorted({entry.dataset for entry in ALIGNMENT.values()}),
    "times": sorted({entry.dataset for entry in BEHAVIOR.values()}),
    "tasks": list(CAPABILITY),
    "texts": list(TEXTS),
}


rule report:
    input:
        tables=tables(),
        cards=expand(result("data", "{dataset}", "card.json"), dataset=DATASETS),
        figures=figures("svg"),
    output:
        page=result("report", "index.html"),
        explore=result("report", "explore.html"),
    log:
        log_of("report"),
    benchmark:
        benchmark_of("report")
    conda:
        "../envs/figures.yaml"
    params:
        study=STUDY.study or "brainalign study",
        about=RAN,
        figures=figures_about(),
        datasets=list(DATASETS),
        code=code(
            "report",
            *map(caption_file, figure_names()),
            *(caption_file(f"tables/{Path(path).stem}") for path in tables()),
            caption_file("tables/data_cards"),
            *PAGE_PARTS,
        ),
    script:
        "../scripts/report.py"
