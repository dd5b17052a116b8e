"""docs/outputs.md says of every table which columns it has, and what each of them means."""

import re

import pandas as pd
import pytest
from brainalign.analysis import (
    baselines,
    collect,
    contrasts,
    correlations,
    double_descent,
    headline,
    measured,
    mixed_effects,
    presentations,
    profiles,
    published,
    published_fits,
    reading_baselines,
    reading_loss,
    reading_profiles,
    scores,
    target_contrasts,
    text_controls,
    trajectory,
    truth,
    unit_overlap,
)
from conftest import REPOSITORY
from figure_tables import widths

COLUMNS = {
    "scores": scores.SCORE_COLUMNS,
    "similarities": scores.SIMILARITY_COLUMNS,
    "subjects": scores.SUBJECT_COLUMNS,
    "layers": scores.LAYER_COLUMNS,
    "profiles": profiles.COLUMNS,
    "behaviors": collect.BEHAVIOR_COLUMNS,
    "stories": collect.GROUP_COLUMNS,
    "capabilities": collect.CAPABILITY_COLUMNS,
    "accuracies": collect.ACCURACY_COLUMNS,
    "losses": collect.LOSS_COLUMNS,
    "contrasts": contrasts.COLUMNS,
    "correlations": correlations.COLUMNS,
    "mixed_effects": mixed_effects.COLUMNS,
    "baselines": baselines.COLUMNS,
    "published_check": published.CHECK_COLUMNS,
    "double_descent": double_descent.COLUMNS,
    "measured_published": measured.COLUMNS,
    "presentations": presentations.COLUMNS,
    "published_fits": published_fits.COLUMNS,
    "reading_loss": reading_loss.COLUMNS,
    "reading_baselines": reading_baselines.COLUMNS,
    "reading_profiles": reading_profiles.COLUMNS,
    "truth": truth.COLUMNS,
    "unit_overlap": unit_overlap.COLUMNS,
    "target_contrasts": target_contrasts.COLUMNS,
    "text_controls": text_controls.COLUMNS,
    "headline": headline.COLUMNS,
    "trajectory": trajectory.TRAJECTORY_COLUMNS,
    "arms": trajectory.ARM_COLUMNS,
}
FOLDER = REPOSITORY / "resources" / "published"
TEXT = (REPOSITORY / "docs" / "outputs.md").read_text(encoding="utf-8")
SECTIONS = dict(
    part.split("\n", 1) for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
)  # heading → text
LISTED = re.compile(r"^Columns: `([^`]*)`\.$", re.MULTILINE)


def names(code):
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", code))))


def in_tables(text):
    """Names in the first column of the tables that explain columns."""
    result = set()
    for block in re.findall(r"^\| column \|.*\n\|.*\n((?:\|.*\n?)+)", text, re.MULTILINE):
        for line in block.splitlines():
            result |= names(line.split(" | ")[0])
    return result


def listed(table):
    return tuple(re.split(r",\s+", LISTED.search(SECTIONS[f"{table}.csv"]).group(1)))


def test_every_table_has_its_section():
    tables = {name.removesuffix(".csv") for name in SECTIONS if name.endswith(".csv")}
    assert tables == {*COLUMNS, "published_models"}


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_are_those_of_the_code(table):
    assert listed(table) == COLUMNS[table]


def test_published_columns_are_those_of_the_tables_made():
    models = published.published_models(pd.read_csv(FOLDER / "models.csv"))
    assert listed("published_models") == tuple(models.columns)
    check = published.published_check(
        *(
            pd.read_csv(FOLDER / f"{name}.csv")
            for name in (
                "models", "ceilings", "capability_categories", "correlates", "improvement",
                "similarity",
            )
        ),
        widths(),
    )  # fmt: skip
    assert listed("published_check") == tuple(check.columns)


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_is_explained_and_no_other(table):
    text = LISTED.sub("", SECTIONS[f"{table}.csv"])
    explained = names(text) | in_tables(SECTIONS["Shared columns"])
    assert set(COLUMNS[table]) - explained == set()
    assert in_tables(text) <= set(COLUMNS[table])


def test_only_tables_with_a_note_promise_one():
    assert "In tables with a column `note`" in TEXT
    assert all("simulated" in columns for columns in COLUMNS.values())
