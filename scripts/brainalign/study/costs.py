"""What a study costs: bytes on disk, GPU hours, and what each switch of the config saves.

Before anything has run. Sizes of files are shapes × bytes. Operations are 2 per parameter and token
that is read (1 in encoder-decoder models, whose tokens pass through one half), 6 per one that is
trained on (Kaplan et al. 2020, table 1). What a GPU reaches of its peak is an assumption (`USED`).
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from msgspec.structs import replace

from brainalign.behavior.settings import ReadingBenchmark
from brainalign.datasets.surprisal_settings import Surprisal
from brainalign.encoding.settings import BrainBenchmark
from brainalign.formats.tables import read_json
from brainalign.models.settings import Baseline, Fetched, Hub
from brainalign.reading.settings import Dataset
from brainalign.reading.text_controls import SURROGATE
from brainalign.study.alignment_size import responses_shape
from brainalign.study.model_sizes import assumed_sizes, with_measured_sizes
from brainalign.study.models import (
    Models,
    all_models,
    lineage,
    narrow,
    parent,
    previous_checkpoint,
    role,
    scored_on,
    weights_of,
)
from brainalign.study.reading_load import (
    Text,
    activation_tokens,
    capability_tokens,
    loss_tokens,
    surprisal_tokens,
    text_of,
)
from brainalign.study.resources import (
    UNKNOWN_PARAMETERS,
    parameter_count,
    training_gpus,
    weight_bytes,
)
from brainalign.study.settings import Study
from brainalign.study.text_controls import altered_name, read_altered
from brainalign.study.volumes import averaged_by_volume
from brainalign.training.settings import Pretrain, Tune

FLOAT32 = 4  # bytes; weights are trained and written in it
STRIDE = 256  # tokens, the alternative to a pass per word
DISK = 1e9  # bytes per second
PEAK, USED = 312e12, 0.3  # bfloat16 operations per second of an A100; the share that is used
ALPACA = 52_002  # samples
# Tokens of a sample with Alpaca's prompt, cut at 512, in `alpaca-subset2000` (tokenizer of
# SmolLM2): more than in all of Alpaca, whose answers are shorter. A preference pair is two.
SAMPLE_TOKENS = {
    "instruction": 274, "no-instruction": 234, "shuffled": 274, "continued": 274, "preference": 548,
}  # fmt: skip
# Family and parameters → hidden size, blocks (encoder-decoder: of each half), of the model cards.
SHAPES = {
    ("T5", 77e6): (512, 8), ("T5", 250e6): (768, 12), ("T5", 800e6): (1024, 24),
    ("T5", 3e9): (2048, 24), ("T5", 11e9): (4096, 24),
    ("LLaMA", 7e9): (4096, 32), ("LLaMA", 13e9): (5120, 40), ("LLaMA", 33e9): (6656, 60),
    ("LLaMA-2", 7e9): (4096, 32), ("LLaMA-2", 13e9): (5120, 40),
    ("GPT-2", 124e6): (768, 12), ("GPT-2", 355e6): (1024, 24), ("GPT-2", 774e6): (1280, 36),
    ("GPT-2", 1.5e9): (1600, 48), ("Gemma", 2.5e9): (2048, 18), ("Gemma", 8.5e9): (3072, 28),
}  # fmt: skip
WINDOW = {"GPT-2": 1024, "LLaMA-2": 4096, "Gemma": 8192}  # tokens, where no entry says it
USUAL_WINDOW = 2048


def shape(name: str, models: Models, results: Path) -> tuple[int, int]:
    """Hidden size, and layers whose states are kept.

    As the manifest says where it is there; else of the config (pre-trained models) or the model
    cards; else of a transformer of so many parameters that is 128 times as wide as it is deep.
    """
    manifest = results / "models" / weights_of(name, models) / "manifest.json"
    if manifest.exists():
        record = read_json(manifest)
        return record["d_model"], len(record["layers"])
    stacks = 2 if is_encoder_decoder(name, models) else 1
    origin = _origin(name, models)
    source = models[origin].source
    if isinstance(source, Pretrain):
        return source.width, stacks * (source.layers + 2)
    parameters = parameter_count(name, models)
    known = SHAPES.get((models[name].family or "", parameters))
    depth = (parameters / (12 * 128**2)) ** (1 / 3)  # 12 · depth · width² parameters
    width, blocks = known or (round(128 * depth), round(depth / stacks))
    return width, stacks * (blocks + 2)


def is_encoder_decoder(name: str, models: Models) -> bool:
    """As the config says of a model that is pre-trained here; of fetched ones, T5's family is."""
    source = models[_origin(name, models)].source
    if isinstance(source, Pretrain):
        return source.architecture == "encoder-decoder"
    is_t5 = isinstance(source, Hub) and "t5" in source.id.lower()
    return is_t5 or models[name].family == "T5"


def _origin(name: str, models: Models) -> str:
    """The model that this one is made from in the end."""
    while parent(models[name]) in models:
        name = str(parent(models[name]))
    return name


def stored_bytes(name: str, models: Models) -> float:
    """Bytes of a model's own weights on disk: T5's repositories and trained checkpoints hold
    float32, others the dtype that they are loaded in; a presentation has no weights."""
    model = models[name]
    if model.presented is not None:
        return 0.0
    if isinstance(model.source, Tune | Pretrain) or is_encoder_decoder(name, models):
        return FLOAT32 * parameter_count(name, models)
    return weight_bytes(name, models)


def training(name: str, models: Models) -> tuple[float, float]:
    """Bytes of the state that a checkpoint would keep, and GPU hours of its part of the training.

    A state holds weights and both moments of all parameters, in float32; where several GPUs train,
    the weights twice. After the training's last step none is kept. The arithmetic is bfloat16's.
    """
    recipe = models[name].source
    assert isinstance(recipe, Tune)
    end = recipe.seen(ALPACA - recipe.held_out)
    until = getattr(recipe, "checkpoint", None) or end
    copies = 4 if training_gpus(name, models) > 1 else 3
    kept = recipe.step_of(until) < math.ceil(end / recipe.batch_size)
    before = previous_checkpoint(name, models)
    seen = until - (getattr(models[before].source, "checkpoint", 0) if before else 0)
    parameters = parameter_count(name, models)
    operations = 6 * parameters * seen * SAMPLE_TOKENS[recipe.arm]
    return kept * copies * FLOAT32 * parameters, operations / (PEAK * USED) / 3600


def weights(study: Study) -> pd.DataFrame:
    """What a study's models hold, a row per model with separate weights, indexed by its name.

    Returns
    -------
    `family`, `parameters`, `files` (equal for models of the same files), `bytes` of the weights,
    `state` (bytes that a checkpoint would keep to be trained on) and `hours` of its training.
    """
    models = all_models(study.models, study.tuning, study.stages)
    rows = {}
    chosen = narrow(models, study.only or ())
    for name in dict.fromkeys(made for one in chosen for made in lineage(one, models)):
        model = models[name]
        source = model.source
        if model.presented is None and not isinstance(source, Baseline | Surprisal):
            state, hours = training(name, models) if isinstance(source, Tune) else (0.0, 0.0)
            rows[name] = {
                "family": model.family or name,
                "parameters": parameter_count(name, models),
                "files": str(source) if isinstance(source, Fetched) else name,
                "bytes": stored_bytes(name, models),
                "state": state,
                "hours": hours,
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def jobs(study: Study, results: Path) -> pd.DataFrame:
    """What every job that reads with a model costs.

    Parameters
    ----------
    study : the config, checked.
    results : the study's folder: what is prepared and fetched there is counted as it is.

    Returns
    -------
    `model`, `kind` (activations, surprisal, surprisal by layer without its heads, capability, next
    word), `of` (the dataset, task or
    text), `hours` on a GPU, `bytes` of the activations; NaN where the size of a dataset is not
    known yet.
    """
    models = all_models(study.models, study.tuning, study.stages)
    texts = {
        name: text_of(entry.source, results / "data" / name / "stimuli.parquet")
        for name, entry in study.datasets.items()
    }
    responses = {
        name: responses_shape(str(results / "data" / name / "responses.nc"))
        for name in averaged_by_volume(study)
    }
    volumes = {name: known[0] for name, known in responses.items() if known}
    rows = []
    for name, model in narrow(models, study.only or ()).items():
        if isinstance(model.source, Baseline | Surprisal):
            continue
        width, layers = shape(name, models, results)
        operations = parameter_count(name, models) * (1 if is_encoder_decoder(name, models) else 2)
        half = weight_bytes(name, models) < FLOAT32 * parameter_count(name, models)
        speed = PEAK * USED * (1 if half else 0.5)
        for kind, of, tokens, n_rows in _reads(name, study, models, texts, volumes):
            hours = operations * tokens / speed / 3600
            size = n_rows * width * layers * FLOAT32 if kind == "activations" else 0.0
            rows.append((name, kind, of, hours, size))
    return pd.DataFrame(rows, columns=["model", "kind", "of", "hours", "bytes"])


def _reads(
    name: str,
    study: Study,
    models: Models,
    texts: Mapping[str, Text | None],
    volumes: Mapping[str, int],
) -> Iterator[tuple[str, str, float, float]]:
    """Kind, dataset (task, text), tokens and rows kept of every job that reads with a model.

    volumes : of datasets of which no more than the means over volumes are kept.
    """
    entry = models[name]
    window = entry.max_context or WINDOW.get(entry.family or "", USUAL_WINDOW)
    apart = is_encoder_decoder(name, models)
    profiled = {
        predictor: {} if role(entry) in ("presentation", "checkpoint") else {
            k: b for k, b in study.behavior.items() if predictor in getattr(b, "by_layer", ())
        }
        for predictor in ("states", "surprisal")
    }  # fmt: skip
    sections: list[tuple[str, Mapping[str, BrainBenchmark | ReadingBenchmark]]] = [
        ("activations", {**study.alignment, **profiled["states"]}),
        ("surprisal", study.behavior),
        ("surprisal by layer", profiled["surprisal"]),
    ]
    for kind, benchmarks in sections:
        scored = scored_on(name, {k: b.models for k, b in benchmarks.items()}, models)
        for dataset in dict.fromkeys(benchmarks[benchmark].dataset for benchmark in scored):
            about, text = study.datasets[dataset], texts[dataset]
            if text is None:
                yield kind, dataset, math.nan, math.nan
            elif kind == "activations":
                for read_as, context in _contexts(dataset, about).items():
                    read = activation_tokens(text, context, window, apart)
                    yield kind, read_as, read, min(text.rows, volumes.get(dataset, text.rows))
            else:
                read = surprisal_tokens(text, about.context, about.stride, window, apart)
                yield kind, dataset, read, text.rows
    if role(entry) in ("untrained", "presentation"):
        return
    for task in scored_on(name, dict.fromkeys(study.capability), models):
        tokens = capability_tokens(study.capability[task], apart)
        yield "capability", task, tokens, 0
    for text_name in scored_on(name, dict.fromkeys(study.next_word), models):
        yield "next word", text_name, loss_tokens(study.next_word[text_name]), 0


def _contexts(name: str, dataset: Dataset) -> dict[str, str]:
    """A dataset, and what its text is altered to → the context in which each is read."""
    altered = {
        altered_name(name, control): read_altered(dataset, control).context
        for control in dataset.text
        if control != SURROGATE
    }
    return {name: dataset.context, **altered}


def endless(study: Study) -> list[str]:
    """The datasets that are read in one endless text, a pass per word beyond a model's window."""
    return [
        name
        for name, entry in study.datasets.items()
        if entry.context == "corpus" and not entry.stride
    ]


def with_stride(study: Study, names: list[str]) -> Study:
    """The study with these datasets read in windows that share all but `STRIDE` tokens."""
    datasets = {
        name: replace(entry, stride=STRIDE) if name in names else entry
        for name, entry in study.datasets.items()
    }
    return replace(study, datasets=datasets)


def summary(study: Study, results: Path) -> str:
    """What a study costs and what its switches save, in lines for a terminal."""
    study = with_measured_sizes(study, results)
    held, read = weights(study), jobs(study, results)
    unknown = dict.fromkeys(read["of"][read["hours"].isna()])
    lines = [*_on_disk(held, read), *_on_gpus(study, results, held, read)]
    if unknown:
        lines.append(f"Not counted, as not prepared yet: {', '.join(unknown)}")
    if assumed := assumed_sizes(study):
        taken = f"{UNKNOWN_PARAMETERS / 1e9:g} billion parameters"
        lines.append(f"Of unknown size (key parameters), taken for {taken}: {', '.join(assumed)}")
    return "\n".join(lines)


def _on_disk(held: pd.DataFrame, read: pd.DataFrame) -> Iterator[str]:
    files = held.drop_duplicates("files")
    largest = files.groupby("family")["bytes"].sum().max()
    state = held["state"]
    yield "On disk (GB)"
    yield _line(files["bytes"].sum() / 1e9, "weights")
    yield _line(largest / 1e9, "weights of the largest family, if one is read after the other")
    yield _line(read["bytes"].sum() / 1e9, "activations; with keep: scores none in the end")
    if state.any():
        yield _line(state.max() / 1e9, "state of each arm and seed in training; none in the end")
        yield _line(state.sum() / 1e9, "states with --notemp")


def _on_gpus(study: Study, results: Path, held: pd.DataFrame, read: pd.DataFrame) -> Iterator[str]:
    models = all_models(study.models, study.tuning, study.stages)
    hours = read.groupby("kind")["hours"].sum()
    hours["tuning"] = held["hours"].sum()
    yield f"On GPUs (hours of an A100 at {USED:.0%} of its peak)"
    for kind, spent in hours.items():
        yield _line(spent, str(kind))
    yield _line(hours.sum(), "in all")
    texts = endless(study)
    of_texts = (read["kind"] == "surprisal") & read["of"].isin(texts)
    if of_texts.any():
        strided = jobs(with_stride(study, texts), results)
        saved = (read["hours"] - strided["hours"])[of_texts].sum()
        yield _line(saved, f"less with stride: {STRIDE} on {', '.join(texts)}")
    loaded = held["bytes"][[weights_of(name, models) for name in read["model"]]].sum()
    yield _line(loaded / DISK / 3600, f"more for {len(read)} loads of weights at 1 GB a second")


def _line(number: float, what: str) -> str:
    return f"{number:10.0f}  {what}" if number >= 100 else f"{number:10.3g}  {what}"
