"""Tables: scores, contrasts, correlations, and the same statistics from the published tables."""

from brainalign.resources import published
from brainalign.study.trajectories import trajectory_points

SCORE_FILES = [
    {"model": model, "benchmark": benchmark}
    for model in MODELS
    for benchmark in scored(model, REGRESSIONS)
]
SIMILARITY_FILES = [
    {"model": model, "benchmark": benchmark}
    for model in MODELS
    for benchmark in scored(model, SIMILARITIES)
]
BEHAVIOR_FILES = [
    {"model": model, "benchmark": benchmark}
    for model in [*LANGUAGE_MODELS, *TOKEN_COUNTS]
    for benchmark in scored(model, BEHAVIOR)
]
# A baseline has features, no surprisal.
PROFILE_FILES = [
    {"model": model, "benchmark": benchmark}
    for model in [*RUN_MODELS, *PROFILED_BASELINES]
    for benchmark in scored(model, PROFILED)
    if model in RUN_MODELS or "states" in PROFILED[benchmark].by_layer
]
CAPABILITY_FILES = [
    {"model": model, "task": task}
    for model in TRAINED_MODELS
    for task in scored(model, CAPABILITY)
]
LOSS_FILES = [
    {"model": model, "text": text}
    for model in TRAINED_MODELS
    for text in scored(model, TEXTS)
]
MANIFESTS = expand(result("models", "{model}", "manifest.json"), model=RUN_MODELS)
TRAINED_MANIFESTS = expand(
    result("models", "{model}", "manifest.json"), model=TRAINED_MODELS
)
# The points of tuning experiments and of `stages`, and the models that they are of.
RUNS = trajectory_points(STUDY, ALL_MODELS)
TRAJECTORY_MODELS = {
    name: NARROWED[name] for name in dict.fromkeys(run["model"] for run in RUNS)
}
# What language units benchmarks keep, and the tuned and vanilla models whose units are compared.
LANGUAGE_UNITS = list(
    dict.fromkeys(
        entry.reduce
        for entry in REGRESSIONS.values()
        if entry.reduce is not None and entry.reduce.method == "localizer"
    )
)
IN_PAIRS = dict.fromkeys(
    name
    for tuned in RUN_MODELS
    if (vanilla := partner(MODELS[tuned])) in RUN_MODELS
    for name in (vanilla, tuned)
)
UNIT_FILES = [
    {"model": model, "localizer": localizer}
    for localizer in dict.fromkeys(reduce.localizer for reduce in LANGUAGE_UNITS)
    for model in IN_PAIRS
]
# Benchmarks of altered texts, and those of the texts as they are beside them.
TEXT_CONTROLS = {
    name: (made.of, made.control) for name, made in ALTERED_BENCHMARKS.items()
}
TEXT_CONTROL_FILES = [
    {"model": model, "benchmark": benchmark}
    for model in RUN_MODELS
    for of in scored(model, REGRESSIONS)
    if of in {made.of for made in ALTERED_BENCHMARKS.values()}
    for benchmark in (
        of,
        *(name for name, made in ALTERED_BENCHMARKS.items() if made.of == of),
    )
]
SCORED = {
    "alignment": REGRESSIONS,
    "behavior": BEHAVIOR,
    "capability": CAPABILITY,
    "next_word": TEXTS,
}


# Experiment, or entry of `stages` → the benchmarks, tasks and texts that its trajectory is made of.
SCORED_ON = {
    name: list(entry.scored_on or [name for kind in SCORED.values() for name in kind])
    for name, entry in {**STUDY.tuning, **STUDY.stages}.items()
}


def shown(benchmarks):
    """What tables say of benchmarks, beside their scores."""
    keys = (
        "dataset",
        "measure",
        "report_as",
        "companion",
        "mode",
        "regression",
        "split",
        "layers",
        "questions",
    )
    return {
        name: {key: value for key, value in plain(entry).items() if key in keys}
        for name, entry in benchmarks.items()
    }


def about_pair(tuned, benchmark):
    """What a table says of a tuned model and its vanilla partner on a benchmark."""
    model, entry = MODELS[tuned], ALIGNMENT[benchmark]
    return {
        "tuned": tuned,
        "vanilla": partner(model),
        "family": model.family or tuned,
        "benchmark": benchmark,
        "dataset": entry.report_as or entry.dataset,
        "mode": entry.mode,
        "simulated": is_simulated(tuned, ALL_MODELS)
        or entry.dataset in SIMULATED_DATASETS,
    }


def has_presentations(name):
    """Whether a model, or a model tuned from it, is read in several presentations."""
    related = [m for m in MODELS.values() if partner(m) == name]
    return any(len(m.presentations or ()) > 1 for m in (MODELS[name], *related))


def trajectory_files(kind):
    """Model and benchmark, task or text of every file of a kind that trajectories are made of."""
    pairs = {
        (run["model"], name): None
        for run in RUNS
        for name in scored(run["model"], SCORED[kind])
        if name in SCORED_ON[run["experiment"]]
    }
    return list(pairs)


# Every presentation of the models that have several, their vanilla partners beside them.
IN_PRESENTATIONS = {
    name: {
        **model_records(ALL_MODELS)[name],
        "presented": model.presented or name,
        "presentation": presentation(model),
    }
    for name, model in NARROWED.items()
    if name in PRESENTED or (name in LANGUAGE_MODELS and has_presentations(name))
}
PRESENTATION_FILES = {
    kind: [
        {"model": model, "benchmark": benchmark}
        for model in IN_PRESENTATIONS
        for benchmark in scored(model, SCORED[kind])
    ]
    for kind in ("alignment", "behavior")
}
TRAJECTORY_FILES = {kind: trajectory_files(kind) for kind in SCORED}
# Benchmarks whose planted truth is known: controlled ones of simulated brain data.
PLANTED = {
    name: entry
    for name, entry in REGRESSIONS.items()
    if entry.dataset in SIMULATED_DATASETS
    and entry.mode == "controlled"
    and not entry.companion
}
# Tables of the paper: argument of the recomputation → file. They count as code, not as inputs, whose
# absolute paths would rerun jobs in a project that has moved.
PUBLISHED = {
    "models": "models",
    "ceilings": "ceilings",
    "categories": "capability_categories",
    "correlates": "correlates",
    "improvement": "improvement",
    "similarity": "similarity",
}
with published("models").open(newline="", encoding="utf-8") as table:
    PRINTED_MODELS = {row["model"] for row in csv.DictReader(table)}


def printed_models(models=MODELS):
    """The real models that the paper's tables have, by `published` or by their name."""
    return [
        name
        for name, model in models.items()
        if (model.published or name) in PRINTED_MODELS
        and not is_simulated(name, ALL_MODELS)
    ]


# Whether the study has the paper's tables: it asks for them, or has data or a model of the paper.
HAS_PAPER = (
    STUDY.published_tables
    or any(dataset.source.of_paper for dataset in DATASETS.values())
    or any(task.questions.of_paper for task in CAPABILITY.values())
    or bool(printed_models(ALL_MODELS))
)


def tables():
    """The tables that a study of this config can have."""
    names = (
        ["double_descent", "published_check", "published_models"] if HAS_PAPER else []
    )
    names += ["headline"]
    names += ["scores", "subjects", "layers"] if SCORE_FILES else []
    names += ["similarities"] if SIMILARITY_FILES else []
    names += (
        ["behaviors", "stories", "reading_loss", "reading_baselines"]
        if BEHAVIOR_FILES
        else []
    )
    names += ["reading_profiles"] if PROFILE_FILES else []
    names += ["capabilities", "accuracies"] if CAPABILITY_FILES else []
    names += ["losses"] if LOSS_FILES else []
    names += ["contrasts"] if SCORE_FILES or BEHAVIOR_FILES or CAPABILITY_FILES else []
    names += ["correlations"] if SCORE_FILES or BEHAVIOR_FILES else []
    names += ["baselines", "profiles", "mixed_effects"] if SCORE_FILES else []
    names += ["unit_overlap"] if UNIT_FILES else []
    names += ["target_contrasts"] if TARGET_PAIRS else []
    names += ["text_controls"] if TEXT_CONTROL_FILES else []
    names += ["truth"] if PLANTED and SCORE_FILES else []
    names += ["presentations"] if PRESENTED else []
    names += ["published_fits"] if PUBLISHED_FITS else []
    names += ["trajectory", "arms"] if RUNS else []
    names += ["measured_published"] if printed_models() else []
    return [result("tables", f"{name}.csv") for name in names]


def table_inputs(*names):
    """Those of the named tables that this study has, as named inputs."""
    present = {Path(path).stem: path for path in tables()}
    return {name: present[name] for name in names if name in present}


rule scores:
    input:
        alignment=[
            result("alignment", f["model"], f["benchmark"] + ".parquet")
            for f in SCORE_FILES
        ],
        ceilings=expand(
            result("ceilings", "{benchmark}.parquet"), benchmark=REGRESSIONS
        ),
        manifests=MANIFESTS,
    output:
        scores=result("tables", "scores.csv"),
        subjects=result("tables", "subjects.csv"),
        layers=result("tables", "layers.csv"),
    log:
        log_of("scores"),
    benchmark:
        benchmark_of("scores")
    conda:
        "../envs/encoding.yaml"
    params:
        files=SCORE_FILES,
        models=model_records(),
        benchmarks=shown(REGRESSIONS),
        simulated_datasets=SIMULATED_DATASETS,
        code=code("scores"),
    script:
        "../scripts/scores.py"


rule similarities:
    input:
        alignment=[
            result("alignment", f["model"], f["benchmark"] + ".parquet")
            for f in SIMILARITY_FILES
        ],
        manifests=MANIFESTS,
    output:
        similarities=result("tables", "similarities.csv"),
    log:
        log_of("similarities"),
    benchmark:
        benchmark_of("similarities")
    conda:
        "../envs/encoding.yaml"
    params:
        files=SIMILARITY_FILES,
        models=model_records(),
        benchmarks=shown(SIMILARITIES),
        simulated_datasets=SIMULATED_DATASETS,
        code=code("similarities"),
    script:
        "../scripts/similarities.py"


rule behaviors:
    input:
        behavior=[
            result("behavior", f["model"], f["benchmark"] + ".parquet")
            for f in BEHAVIOR_FILES
        ],
        manifests=MANIFESTS,
    output:
        behaviors=result("tables", "behaviors.csv"),
        stories=result("tables", "stories.csv"),
    log:
        log_of("behaviors"),
    benchmark:
        benchmark_of("behaviors")
    conda:
        "../envs/encoding.yaml"
    params:
        files=BEHAVIOR_FILES,
        models=model_records(),
        benchmarks=shown(BEHAVIOR),
        simulated_datasets=SIMULATED_DATASETS,
        code=code("behaviors"),
    script:
        "../scripts/behaviors.py"


rule reading_profiles:
    input:
        profiles=[
            result("reading_profiles", f["model"], f["benchmark"] + ".parquet")
            for f in PROFILE_FILES
        ],
    output:
        profiles=result("tables", "reading_profiles.csv"),
    log:
        log_of("reading_profiles"),
    benchmark:
        benchmark_of("reading_profiles")
    conda:
        "../envs/encoding.yaml"
    params:
        files=PROFILE_FILES,
        models=model_records(),
        benchmarks=shown(PROFILED),
        simulated_datasets=SIMULATED_DATASETS,
        code=code("reading_profiles"),
    script:
        "../scripts/reading_profiles.py"


rule capabilities:
    input:
        answers=[
            result("capability", f["model"], f["task"] + ".parquet")
            for f in CAPABILITY_FILES
        ],
        manifests=TRAINED_MANIFESTS,
    output:
        capabilities=result("tables", "capabilities.csv"),
        accuracies=result("tables", "accuracies.csv"),
    log:
        log_of("capabilities"),
    benchmark:
        benchmark_of("capabilities")
    conda:
        "../envs/encoding.yaml"
    params:
        files=CAPABILITY_FILES,
        models=model_records(),
        tasks=shown(CAPABILITY),
        code=code("capabilities"),
    script:
        "../scripts/capabilities.py"


rule losses:
    input:
        losses=[
            result("next_word", f["model"], f["text"] + ".json") for f in LOSS_FILES
        ],
        manifests=TRAINED_MANIFESTS,
    output:
        losses=result("tables", "losses.csv"),
    log:
        log_of("losses"),
    benchmark:
        benchmark_of("losses")
    conda:
        "../envs/encoding.yaml"
    params:
        files=LOSS_FILES,
        models=model_records(),
        code=code("losses"),
    script:
        "../scripts/losses.py"


rule contrasts:
    input:
        **table_inputs("scores", "subjects", "behaviors", "stories", "capabilities"),
    output:
        contrasts=result("tables", "contrasts.csv"),
    log:
        log_of("contrasts"),
    benchmark:
        benchmark_of("contrasts")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("contrasts"),
    script:
        "../scripts/contrasts.py"


rule presentations:
    input:
        behavior=[
            result("behavior", f["model"], f["benchmark"] + ".parquet")
            for f in PRESENTATION_FILES["behavior"]
        ],
        alignment=[
            result("alignment", f["model"], f["benchmark"] + ".parquet")
            for f in PRESENTATION_FILES["alignment"]
        ],
    output:
        presentations=result("tables", "presentations.csv"),
    log:
        log_of("presentations"),
    benchmark:
        benchmark_of("presentations")
    conda:
        "../envs/encoding.yaml"
    params:
        files=PRESENTATION_FILES,
        models=IN_PRESENTATIONS,
        benchmarks={"behavior": shown(BEHAVIOR), "alignment": shown(REGRESSIONS)},
        simulated_datasets=SIMULATED_DATASETS,
        code=code("presentations"),
    script:
        "../scripts/presentations.py"


rule correlations:
    input:
        **table_inputs("scores", "behaviors", "capabilities", "losses"),
    output:
        correlations=result("tables", "correlations.csv"),
    log:
        log_of("correlations"),
    benchmark:
        benchmark_of("correlations")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("correlations"),
    script:
        "../scripts/correlations.py"


rule double_descent:
    output:
        table=result("tables", "double_descent.csv"),
    log:
        log_of("double_descent"),
    benchmark:
        benchmark_of("double_descent")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("double_descent", published("models")),
    script:
        "../scripts/double_descent.py"


rule published_check:
    input:
        widths=rules.double_descent.output.table,
    output:
        check=result("tables", "published_check.csv"),
        models=result("tables", "published_models.csv"),
    log:
        log_of("published_check"),
    benchmark:
        benchmark_of("published_check")
    conda:
        "../envs/encoding.yaml"
    params:
        tables=PUBLISHED,
        code=code("published_check", *map(published, PUBLISHED.values())),
    script:
        "../scripts/published_check.py"


rule baselines:
    input:
        **table_inputs("scores", "subjects"),
    output:
        baselines=result("tables", "baselines.csv"),
    log:
        log_of("baselines"),
    benchmark:
        benchmark_of("baselines")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("baselines"),
    script:
        "../scripts/baselines.py"


rule text_controls:
    input:
        alignment=[
            result("alignment", f["model"], f["benchmark"] + ".parquet")
            for f in TEXT_CONTROL_FILES
        ],
    output:
        text_controls=result("tables", "text_controls.csv"),
    log:
        log_of("text_controls"),
    benchmark:
        benchmark_of("text_controls")
    conda:
        "../envs/encoding.yaml"
    params:
        files=TEXT_CONTROL_FILES,
        models=model_records(),
        benchmarks=shown(ALIGNMENT) if TEXT_CONTROL_FILES else {},
        controls=TEXT_CONTROLS,
        simulated_datasets=SIMULATED_DATASETS,
        code=code("text_controls"),
    script:
        "../scripts/text_controls.py"


rule unit_overlap:
    input:
        selectivity=[
            result("selectivity", f["model"], f["localizer"] + ".parquet")
            for f in UNIT_FILES
        ],
    output:
        unit_overlap=result("tables", "unit_overlap.csv"),
    log:
        log_of("unit_overlap"),
    benchmark:
        benchmark_of("unit_overlap")
    conda:
        "../envs/encoding.yaml"
    params:
        files=UNIT_FILES,
        models=model_records(),
        reductions=[plain(reduce) for reduce in LANGUAGE_UNITS],
        simulated_datasets=SIMULATED_DATASETS,
        code=code("unit_overlap"),
    script:
        "../scripts/unit_overlap.py"


rule target_contrasts:
    input:
        summaries=[
            result("target_contrasts", f["model"], f["benchmark"] + ".parquet")
            for f in TARGET_PAIRS
        ],
    output:
        target_contrasts=result("tables", "target_contrasts.csv"),
    log:
        log_of("target_contrasts"),
    benchmark:
        benchmark_of("target_contrasts")
    conda:
        "../envs/encoding.yaml"
    params:
        about=[about_pair(f["model"], f["benchmark"]) for f in TARGET_PAIRS],
        code=code("target_contrasts"),
    script:
        "../scripts/target_contrasts.py"


rule truth:
    input:
        **table_inputs("scores"),
        stimuli=[
            result("data", entry.dataset, "stimuli.parquet")
            for entry in PLANTED.values()
        ],
        responses=[
            result("data", entry.dataset, "responses.nc") for entry in PLANTED.values()
        ],
        ceilings=expand(result("ceilings", "{benchmark}.parquet"), benchmark=PLANTED),
    output:
        truth=result("tables", "truth.csv"),
    log:
        log_of("truth"),
    benchmark:
        benchmark_of("truth")
    conda:
        "../envs/encoding.yaml"
    params:
        benchmarks=shown(PLANTED),
        scoring={name: plain(entry.scoring) for name, entry in PLANTED.items()},
        seed=STUDY.seed,
        code=code("truth"),
    script:
        "../scripts/truth.py"


rule profiles:
    input:
        **table_inputs("layers"),
    output:
        profiles=result("tables", "profiles.csv"),
    log:
        log_of("profiles"),
    benchmark:
        benchmark_of("profiles")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("profiles"),
    script:
        "../scripts/profiles.py"


rule mixed_effects:
    input:
        **table_inputs("scores", "subjects"),
    output:
        mixed_effects=result("tables", "mixed_effects.csv"),
    log:
        log_of("mixed_effects"),
    benchmark:
        benchmark_of("mixed_effects")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("mixed_effects"),
    script:
        "../scripts/mixed_effects.py"


rule headline:
    input:
        **table_inputs(
            "published_check",
            "scores",
            "contrasts",
            "correlations",
            "capabilities",
            "losses",
            "behaviors",
            "baselines",
            "reading_loss",
            "truth",
        ),
    output:
        headline=result("tables", "headline.csv"),
        text=result("tables", "headline.txt"),
        verdicts=result("tables", "verdicts.txt"),
    log:
        log_of("headline"),
    benchmark:
        benchmark_of("headline")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("headline"),
    script:
        "../scripts/headline.py"


rule reading_loss:
    input:
        **table_inputs("behaviors", "stories", "losses"),
    output:
        reading_loss=result("tables", "reading_loss.csv"),
    log:
        log_of("reading_loss"),
    benchmark:
        benchmark_of("reading_loss")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("reading_loss"),
    script:
        "../scripts/reading_loss.py"


rule published_fits:
    input:
        **table_inputs("behaviors"),
        fits=expand(result("published_fits", "{model}.parquet"), model=PUBLISHED_FITS),
    output:
        published_fits=result("tables", "published_fits.csv"),
    log:
        log_of("published_fits"),
    benchmark:
        benchmark_of("published_fits")
    conda:
        "../envs/encoding.yaml"
    params:
        models=PUBLISHED_FITS,
        benchmarks=shown(BEHAVIOR),
        code=code("published_fits"),
    script:
        "../scripts/published_fits.py"


rule reading_baselines:
    input:
        **table_inputs("behaviors", "stories"),
    output:
        reading_baselines=result("tables", "reading_baselines.csv"),
    log:
        log_of("reading_baselines"),
    benchmark:
        benchmark_of("reading_baselines")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("reading_baselines"),
    script:
        "../scripts/reading_baselines.py"


rule measured_published:
    input:
        **table_inputs("scores", "behaviors", "capabilities"),
        published=rules.published_check.output.models,
    output:
        measured_published=result("tables", "measured_published.csv"),
    log:
        log_of("measured_published"),
    benchmark:
        benchmark_of("measured_published")
    conda:
        "../envs/encoding.yaml"
    params:
        code=code("measured_published"),
    script:
        "../scripts/measured_published.py"


rule trajectory:
    input:
        **{
            kind: [
                result(
                    kind,
                    model,
                    name + (".json" if kind == "next_word" else ".parquet"),
                )
                for model, name in files
            ]
            for kind, files in TRAJECTORY_FILES.items()
        },
        manifests=expand(
            result("models", "{model}", "manifest.json"), model=TRAJECTORY_MODELS
        ),
    output:
        trajectory=result("tables", "trajectory.csv"),
        arms=result("tables", "arms.csv"),
    log:
        log_of("trajectory"),
    benchmark:
        benchmark_of("trajectory")
    conda:
        "../envs/encoding.yaml"
    params:
        **{
            kind: shown({name: SCORED[kind][name] for _, name in files})
            for kind, files in TRAJECTORY_FILES.items()
        },
        runs=RUNS,
        scored_on=SCORED_ON,
        models=model_records(TRAJECTORY_MODELS),
        files=TRAJECTORY_FILES,
        simulated_datasets=SIMULATED_DATASETS,
        code=code("trajectory"),
    script:
        "../scripts/trajectory.py"
