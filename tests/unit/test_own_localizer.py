"""A localizer of the user's own: a table of strings and their conditions finds planted units."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brainalign.datasets import own
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import Own
from brainalign.encoding.language_units import choose_units, selectivity
from brainalign.encoding.settings import Reduction
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.datasets import read_responses, read_stimuli, write_dataset
from brainalign.settings import faults
from brainalign.settings import read as read_settings

SOURCE = {"type": "own", "kind": "localizer", "stimuli": "strings.csv"}
N = 12


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    strings().to_csv("strings.csv", index=False)


def strings():
    """Sentences and non-words in turn; the texts hold a comma, a number and capitals."""
    return pd.DataFrame(
        {
            "stimulus_id": [f"{i:03d}" for i in range(2 * N)],
            "text": ["Well, it RAINED on day 7", "blicket DAX toma 7"] * N,
            "condition": ["sentence", "non-word"] * N,
            "list": 1,
        }
    )


def read(**more):
    source = read_settings(SOURCE | more, Own)
    return own.read(locate(own.raw_files(source), None, "downloads"), source)


@pytest.mark.parametrize("form", ["strings.csv", "strings.tsv", "strings.parquet"])
def test_strings_are_texts_by_themselves_and_their_conditions_are_the_responses(form):
    if form.endswith("parquet"):
        strings().to_parquet(form)
    else:
        strings().to_csv(form, index=False, sep="\t" if form.endswith("tsv") else ",")
    prepared = read(stimuli=form, citation="our lab")
    write_dataset(prepared.stimuli, prepared.responses, "stimuli.parquet", "responses.nc")
    stimuli = read_stimuli("stimuli.parquet")
    responses = read_responses("responses.nc", stimuli)
    assert stimuli["text"].tolist() == strings()["text"].tolist()
    assert stimuli["context_group"].tolist() == strings()["stimulus_id"].tolist()
    assert responses["responses"].values[:, 0].tolist() == [1.0, 0.0] * N
    assert (responses.attrs["kind"], responses.attrs["simulated"]) == ("localizer", 0)
    assert (prepared.card["kind"], prepared.card["source"]) == ("localizer", "our lab")


def test_the_units_that_prefer_the_sentences_are_chosen():
    prepared = read()
    ids = prepared.stimuli["stimulus_id"].tolist()
    values = np.random.default_rng(0).normal(size=(2 * N, 9)).astype(np.float32)
    values[::2, [2, 7]] += 20
    values[1::2, 4] += 20
    write_activations({"layer.1": values}, ids, "a.safetensors", {})
    t = selectivity(open_activations("a.safetensors"), prepared.stimuli, prepared.responses)
    for method, planted in (("localizer", [2, 7]), ("nonwords", [4])):
        entry = {"method": method, "dimensions": len(planted), "localizer": "mine"}
        chosen = choose_units({"layer.1": 9}, read_settings(entry, Reduction), t, 1)
        assert chosen["layer.1"].tolist() == planted


def test_blanks_at_the_ends_are_taken_off_and_counted():
    table = strings()
    table.loc[3, ["text", "condition"]] = [" dax toma ", "non-word "]
    table.to_csv("strings.csv", index=False)
    prepared = read()
    assert prepared.stimuli["text"][3] == "dax toma"
    for column in ("text", "condition"):
        assert any(line.startswith(f"{column}: blanks") for line in prepared.card["changed"])


CASES = {
    "another condition": (
        lambda t: t.replace("non-word", "list"), "row 3: condition is 'list', expected sentence or",
    ),
    "no condition": (lambda t: t.drop(columns="condition"), "column condition is missing"),
    "an empty condition": (lambda t: t.assign(condition=None), "row 2: condition is nan"),
    "one of a kind": (
        lambda t: t[(t["condition"] == "sentence") | (t.index == 1)], "1 strings of condition non",
    ),
    "an id twice": (lambda t: t.assign(stimulus_id="a"), "row 3: stimulus_id 'a' is that of row 2"),
    "an empty text": (lambda t: t.assign(text=[" ", *t["text"][1:]]), "row 2: .*text is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_table_at_fault_is_named_with_its_row(case):
    edit, says = CASES[case]
    edit(strings()).to_csv("strings.csv", index=False)
    with pytest.raises(InputError, match=rf"strings\.csv: {says}"):
        read()


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"responses": "a.csv"}, "responses: a localizer has none; leave the key out"),
        ({"tr": 2.0}, "tr: a localizer has none; leave the key out"),
        ({"kind": "brain"}, "responses: is missing; only kind localizer has none"),
    ],
)
def test_keys_that_a_localizer_has_not_are_named(keys, says):
    assert list(faults(SOURCE | keys, Own, "datasets.loc.source")) == [
        f"datasets.loc.source.{says}"
    ]


def test_a_netcdf_file_of_a_localizer_is_refused():
    read().responses.to_netcdf("strings.nc", engine="h5netcdf")
    with pytest.raises(
        InputError, match=r"strings\.nc: attribute kind is 'localizer'; a localizer"
    ):
        read(kind=None, responses="strings.nc")


def test_the_table_is_among_the_raw_files():
    assert [
        record.name for record in locate(own.raw_files(read_settings(SOURCE, Own)), None, "d")
    ] == [str(Path("strings.csv").absolute())]
