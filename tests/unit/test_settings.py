"""Settings as types: what the classes admit the library accepts; the pages made from them."""

import json
import math

import jsonschema
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from brainalign import settings as typed
from brainalign.behavior.reading_times import fit_reading_times
from brainalign.behavior.settings import ControlledFit, LegacyFit
from brainalign.capability.settings import Generation, MinimalPairs, MultipleChoice
from brainalign.capability.tasks import NEW_TOKENS, Task
from brainalign.encoding.alignment import align
from brainalign.encoding.ceilings import noise_ceiling
from brainalign.encoding.settings import (
    Ceiling,
    Disattenuation,
    Extrapolation,
    FromRepeats,
    NoCeiling,
    Scoring,
)
from brainalign.encoding.splits import HeldOut
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.models.settings import Features
from brainalign.reading import baselines
from brainalign.settings import faults, plain, read
from brainalign.simulation import datasets as simulated
from brainalign.simulation.datasets import simulate
from brainalign.simulation.settings import (
    Chapter,
    Passages,
    Reading,
    Simulation,
    Story,
    WholeBrain,
)
from brainalign.study.reference import PAGE, SCHEMA, SHORT_PAGE, json_schema, page, short_page
from brainalign.study.settings import Study
from brainalign.training.pretraining import new_model
from brainalign.training.settings import Checkpoint, Pretrain, Recipe, Tune
from conftest import REPOSITORY
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import inspect
from worlds.encoding import planted, tables

STUDIES = sorted([REPOSITORY / "config.yaml", *REPOSITORY.glob("studies/*.yaml")])


def drawn(kind, **by_key):
    """Entries of a config for a class: all keys that it has, given or not; `by_key` narrows some.

    Values keep to the type and bounds of their key; rules between keys may be broken.
    """
    return _values(inspect.type_info(kind), by_key)


def _values(info, by_key):
    if isinstance(info, inspect.Metadata):
        return _values(info.type, by_key)
    if isinstance(info, inspect.UnionType):
        return st.one_of([_values(member, by_key) for member in info.types])
    if isinstance(info, inspect.StructType):
        tags = {key: st.just(value) for key, value in typed.tag_keys(info).items()}
        keys = {
            field.encode_name: by_key.get(field.encode_name, _values(field.type, by_key))
            for field in info.fields
        }
        required = {f.encode_name: keys.pop(f.encode_name) for f in info.fields if f.required}
        return st.fixed_dictionaries(tags | required, optional=keys)
    if isinstance(info, inspect.LiteralType):
        return st.sampled_from(info.values)
    if isinstance(info, inspect.BoolType):
        return st.booleans()
    if isinstance(info, inspect.NoneType):
        return st.none()
    if isinstance(info, inspect.IntType):
        low = info.ge if info.ge is not None else 0
        return st.integers(low, low + 4).filter(lambda n: n % (info.multiple_of or 1) == 0)
    if isinstance(info, inspect.FloatType):
        low = info.ge if info.ge is not None else info.gt if info.gt is not None else 0.0
        high = info.le if info.le is not None else info.lt if info.lt is not None else low + 3
        ends = {"exclude_min": info.gt is not None, "exclude_max": info.lt is not None}
        return st.floats(low, high, width=32, **ends).filter(lambda x: x == 0 or x > 1e-6)
    if isinstance(info, inspect.DictType):
        return st.dictionaries(st.sampled_from(["default", "d"]), _values(info.value_type, by_key))
    if isinstance(info, inspect.TupleType):
        return st.tuples(*(_values(item, by_key) for item in info.item_types)).map(list)
    if isinstance(info, inspect.VarTupleType):
        least = info.min_length or 0
        return st.lists(_values(info.item_type, by_key), min_size=least, max_size=3, unique_by=str)
    return st.sampled_from(["a", "b"])  # a text; keys with a pattern are narrowed


def admitted(entry, kind):
    """The settings that an entry gives, if the check admits it."""
    assume(not list(faults(entry, kind)))
    made = read(entry, kind)
    assert read(plain(made), kind) == made
    return made


LITTLE = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much,
                           HealthCheck.function_scoped_fixture],
)  # fmt: skip
CHANCE = st.fixed_dictionaries(
    {"permutations": st.just(20)},
    optional={
        "distribution": st.sampled_from(["test", "refit"]),
        "method": st.sampled_from(["blocks", "shifts", "phases"]),
    },
)
# What a benchmark may ask of 240 rows in 24 groups: larger numbers are refused for the data's sake.
SMALL = {
    "folds": st.integers(2, 4), "inner_folds": st.integers(2, 3), "train": st.floats(0.5, 0.9),
    "gap": st.integers(0, 3), "trim": st.integers(0, 2), "gap_seconds": st.none(),
    "trim_seconds": st.none(), "timing": st.none(), "unique_variance": st.none(),
    "n": st.integers(1, 3), "dimensions": st.integers(1, 5), "permutations": st.integers(0, 2),
    "bootstraps": st.integers(2, 4), "splits": st.integers(1, 3), "subsets": st.integers(1, 3),
    "chance": st.none() | CHANCE,
}  # fmt: skip


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    held_out = stimuli["split_group"].isin(["g03", "g07", "g11"]).to_numpy(int)
    dataset = dataset.assign_coords(held_out=("stimulus", held_out))
    path = tmp_path_factory.mktemp("brain") / "a.safetensors"
    layers = {"first": features[:, :3], "last": features}
    layers = {name: values.astype(np.float32) for name, values in layers.items()}
    write_activations(layers, stimuli["stimulus_id"].tolist(), path, {})
    return open_activations(path), stimuli, dataset


def large_folds(entry):
    """The entry with folds of 15 rows or more: one group, the default of grouped folds, has 10."""
    if entry["split"]["scheme"] != "grouped":
        return entry
    split = {key: value for key, value in entry["split"].items() if value is not None}
    return {**entry, "split": {"folds": 3, **split}}


@given(entry=drawn(Scoring, **SMALL).map(large_folds))
@LITTLE
def test_every_admitted_scoring_is_scored(brain, entry):
    file, stimuli, dataset = brain
    table = align(file, stimuli, dataset, admitted(entry, Scoring), "cpu", 0)
    assert table["chosen"].any()


@given(entry=drawn(Scoring, **SMALL).map(large_folds), ceiling=drawn(Ceiling, **SMALL))
@LITTLE
def test_every_admitted_ceiling_is_estimated(brain, entry, ceiling):
    _, stimuli, dataset = brain
    scoring = admitted({**entry, "regression": {"type": "ols"}}, Scoring)
    # The last two methods average subjects: they are of targets that correspond between them.
    dataset = dataset.isel(target=slice(None, None, 20))
    dataset = dataset.assign_coords(region=("target", list("ab") * 3))
    asked = admitted(ceiling, Ceiling)
    assume(not isinstance(asked, FromRepeats))  # the data have none
    one_fold = isinstance(scoring.split, HeldOut)  # a benchmark refuses to resample it
    assume(not (one_fold and isinstance(asked, Disattenuation | Extrapolation)))
    table = noise_ceiling(stimuli, dataset, scoring, asked, 0)
    assert table["ceiling"].notna().any() != isinstance(asked, NoCeiling)


TERMS = st.lists(
    st.sampled_from(["length", "length^2", "length*log_frequency", "next(length)",
                     "spline(length)", "position"]),
    unique=True, max_size=3,
)  # fmt: skip


@given(
    entry=drawn(
        LegacyFit | ControlledFit,
        covariates=TERMS, slopes=st.just(["bits"]), measure=st.none(), n=st.integers(1, 2),
        spillover=st.integers(0, 2),
    )
)  # fmt: skip
@LITTLE
def test_every_admitted_fit_of_reading_times_is_made(entry):
    asked = admitted(entry, LegacyFit | ControlledFit)
    rng = np.random.default_rng(0)
    n, readers = 180, 3
    position = np.tile(np.arange(60), 3)
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"w{i}" for i in range(n)], "position": position,
            "context_group": np.repeat(list("abc"), 60), "length": rng.integers(1, 9, n) * 1.0,
            "log_frequency": rng.normal(size=n), "word_in_sentence": position % 15 + 1,
            "punctuation": rng.random(n) < 0.2, "sentence_id": [str(p // 15) for p in position],
        }
    )  # fmt: skip
    surprisal = pd.DataFrame({"stimulus_id": stimuli["stimulus_id"], "bits": rng.gamma(2, 2, n)})
    times = 300 + 5 * surprisal["bits"].to_numpy()[:, None] + rng.normal(0, 40, (n, readers))
    target = {k: ("target", list("wxy")) for k in ("target_id", "subject", "region")}
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), times)},
        coords={**target, "stimulus_id": ("stimulus", stimuli["stimulus_id"].to_numpy())},
        attrs={"kind": "reading-times"},
    )
    table = fit_reading_times(surprisal, stimuli, responses, asked)
    assert table.loc[table["measure"] == "r", "value"].notna().all()


SIZES = {
    "passages_per_topic": st.integers(1, 2), "stories": st.integers(1, 2),
    "sentences": st.integers(3, 5), "volumes": st.integers(6, 9),
    "spacing": st.floats(15, 20),
}  # fmt: skip


@pytest.fixture(scope="module")
def few_words_are_counted():
    """Word frequencies of simulated reading times from 2 stories, not 50, which take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "FREQUENCY_STORIES", 2)
        yield


@pytest.mark.usefixtures("few_words_are_counted")
@given(
    entry=drawn(Passages | Story | Chapter | WholeBrain | Reading, **SIZES), world=drawn(Simulation)
)
@settings(LITTLE, max_examples=4)
def test_every_admitted_simulated_dataset_is_drawn(entry, world):
    world |= {"things_per_domain": 4, "features": 3, "half_life": 4.0}
    kinds = Passages | Story | Chapter | WholeBrain | Reading
    made = simulate(admitted(entry, kinds), admitted(world, Simulation), 1)
    there = made.responses["responses"].notnull()
    assert len(made.stimuli)
    assert there.any() if entry["kind"] == "reading" else there.all()  # readers miss some words


@given(entry=drawn(Features, path=st.none()))
@LITTLE
def test_every_admitted_baseline_has_features(brain, entry):
    _, stimuli, dataset = brain
    asked = admitted(entry, Features)
    assume(entry["kind"] != "truth")  # of simulated data
    made = baselines.features(asked, stimuli, dataset, 0, "d")
    assert np.isfinite(made.values).all() and len(made.values) == len(stimuli)


class Vocabulary:
    """What a new model asks of a tokenizer."""

    pad_token_id, bos_token_id, eos_token_id = 0, 1, 2

    def __len__(self):
        return 11


@given(entry=drawn(Pretrain, width=st.integers(1, 24), heads=st.integers(1, 8)))
@settings(LITTLE, max_examples=12)
def test_every_admitted_size_makes_a_model(entry):
    size = admitted(entry, Pretrain)
    model = new_model(size.architecture, Vocabulary(), size.layers, size.width, size.heads, 16)
    assert sum(p.numel() for p in model.parameters()) > size.width


@given(entry=drawn(Tune, of=st.just("m"), instructions=st.none(), text=st.none()))
@LITTLE
def test_every_admitted_recipe_is_read(entry):
    recipe = read({**plain(admitted(entry, Tune)), "checkpoint": 7}, Checkpoint)
    assert isinstance(recipe, Recipe)
    assert recipe.micro_batches == math.ceil(
        recipe.batch_size / (recipe.micro_batch or recipe.batch_size)
    )


@given(entry=drawn(MultipleChoice | Generation | MinimalPairs))
@LITTLE
def test_every_admitted_task_is_resolved(entry):
    task = Task.of(admitted(entry, MultipleChoice | Generation | MinimalPairs))
    written = (task.format, task.scoring) in NEW_TOKENS
    assert task.max_new_tokens or not written


def test_a_union_is_chosen_by_two_keys():
    source = {"type": "simulated", "kind": "story", "stories": 2}
    made = read(source, Passages | Story | Chapter | Reading)
    assert made == Story(stories=2)
    assert plain(made) == {**source, "sentences": 32, "subjects": 5}
    for wrong, said in [
        ({"kind": "story"}, "key 'type' is missing; allowed: simulated"),
        ({"type": "simulated"}, "key 'kind' is missing; allowed: passages, story"),
        ({**source, "kind": "film"}, "kind: 'film' is not allowed; allowed: passages, story"),
        ({**source, "readers": 2}, "it is a key of kind reading"),
        ({**source, "stories": True}, "stories: True is not allowed; allowed: an integer from 1"),
    ]:
        with pytest.raises(InputError, match=said):
            read(wrong, Passages | Story | Chapter | Reading)


def test_the_pages_are_those_of_the_classes():
    """`make schema` writes them."""
    assert (REPOSITORY / PAGE).read_text(encoding="utf-8") == page()
    assert (REPOSITORY / SHORT_PAGE).read_text(encoding="utf-8") == short_page()
    written = json.loads((REPOSITORY / SCHEMA).read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(json_schema()))


def choices(struct, seen):
    """Class, key, values and meaning of every key that takes some texts, of a class and below."""
    if struct.cls in seen:
        return
    seen.add(struct.cls)
    for field in struct.fields:
        kinds, about = [field.type], {}
        while kinds:
            kind = kinds.pop()
            if isinstance(kind, inspect.Metadata):
                about = kind.extra_json_schema or about
                kinds.append(kind.type)
            elif isinstance(kind, inspect.UnionType):
                kinds += kind.types
            elif isinstance(kind, inspect.DictType):
                kinds.append(kind.value_type)
            elif isinstance(kind, inspect.StructType):
                yield from choices(kind, seen)
            elif isinstance(kind, inspect.LiteralType) and len(kind.values) > 2:
                yield struct.cls.__name__, field.encode_name, kind.values, about["description"]


def test_a_meaning_that_lists_values_names_them():
    """The page gives values in the order of the alphabet: a list of meanings alone misleads."""
    kinds = list(choices(inspect.type_info(Study), set()))
    assert len(kinds) > 10
    for name, key, values, meaning in kinds:
        listed = meaning.count(";") + meaning.count(", or ") >= len(values) - 1
        assert not listed or all(str(value) in meaning for value in values), (name, key, meaning)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_json_schema_admits_the_studies(path):
    validator = jsonschema.Draft202012Validator(json_schema())
    assert not list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("models", "oasm", "source", "kind"), "magic"), (("models", "oasm", "source", "width"), 3),
        (("alignment", "sim-story-legacy", "layers"), "last"), (("seed",), -1),
        (("datasets", "sim-story", "context"), "window:0"), (("sede",), 1),
        (("behavior", "sim-reading-legacy", "spillover"), 1),
        (("simulation", "things_per_domain"), 5), (("models", "a model"), {}),
    ],
)  # fmt: skip
def test_the_json_schema_and_the_classes_agree_on_what_is_wrong(path, value):
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    entry = config
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(config))
    assert list(faults(config, Study))
