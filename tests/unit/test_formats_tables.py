"""Tables between two rules: what is written is what is read, whatever it is called."""

import json
import math

import pandas as pd
import pytest
from brainalign.formats.tables import read_table, text_columns, write_table
from brainalign.resources import RESOURCES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ODD = (
    "NA", "N/A", "n/a", "nan", "NaN", "None", "null", "NULL", "<NA>", "#N/A", "007", "1e5", "1.50",
    "True", "false", "inf", "-inf", "-", " ", " x ", "\t", "\r", "a\r\nb", "a\nb", "\u2028",
    "\u0085", "\ufeffx", 'a"b', '"', ",", ";", "#", "Zoë", "名前", "\xa0", "'", "\\", "1,5", "0x1F",
)  # fmt: skip
# CSV and UTF-8 hold any text but NUL (a damaged file) and lone surrogates. "" is missing.
NAMES = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)
ROWS = st.tuples(NAMES, st.none() | NAMES, NUMBERS, st.integers(-(2**40), 2**40), st.booleans())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1))
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_is_read_as_it_was_written(ending, rows, tmp_path):
    path = tmp_path / f"table.{ending}"
    table = pd.DataFrame(rows, columns=["model", "subject", "r", "n", "chosen"])
    table = table.astype({"model": "str", "subject": "str"})
    write_table(table, path)
    read = read_table(path)
    pd.testing.assert_frame_equal(read, table, rtol=1e-9, check_exact=False, check_dtype=False)
    assert read["model"].tolist() == [row[0] for row in rows]


def test_a_column_of_names_is_text_though_all_are_numbers_or_empty(tmp_path):
    table = pd.DataFrame(
        {"model": ["007", "1e5"], "base": [None, None], "family": ["1", "2"], "r": 1}
    )
    write_table(table, tmp_path / "a.csv")
    read = read_table(tmp_path / "a.csv")
    assert read["model"].tolist() == ["007", "1e5"]
    assert read["base"].isna().all() and read["base"].dtype == read["model"].dtype
    assert read["r"].dtype == "int64"


def test_columns_that_are_text_in_some_tables_only():
    assert text_columns(["model", "label", "published"]) == ["label", "model", "published"]
    assert text_columns(["model", "published", "measured"]) == ["model"]
    assert text_columns(["tuned", "vanilla"]) == ["tuned", "vanilla"]
    assert text_columns(["model", "tuned"]) == ["model"]


def test_every_column_of_text_in_the_documented_tables_is_declared():
    import figure_tables

    tables = {**figure_tables.study(), "trajectory": figure_tables.trajectory()}
    for name, table in tables.items():
        held = {
            column
            for column in table
            if table[column].map(lambda cell: isinstance(cell, str)).any()
        }
        assert held - set(text_columns(table.columns)) == set(), name
    listed = json.loads((RESOURCES / "text_columns.json").read_text(encoding="utf-8"))
    assert set(listed["text"]).isdisjoint(listed["beside"])


def test_a_number_keeps_ten_digits(tmp_path):
    write_table(pd.DataFrame({"r": [math.pi, 1e-300, -0.0]}), tmp_path / "a.csv")
    assert read_table(tmp_path / "a.csv")["r"].tolist() == [3.141592654, 1e-300, 0.0]
