"""The report's pages hold what the tables hold, and nothing in a cell can break out of them."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
from brainalign.figures.pages import cards_table, summary_page, table_page


def rows(page):
    """The data of a table's page."""
    (result,) = re.findall(r'<script type="application/json" class="rows">(.*?)</script>', page)
    return json.loads(result)


class Cells(HTMLParser):
    """The texts of a page's cells, as a browser reads them."""

    def __init__(self):
        super().__init__()
        self.texts, self.inside = [], False

    def handle_starttag(self, tag, attributes):
        if tag in ("td", "th"):
            self.inside = True
            self.texts.append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data


def cells(page):
    reader = Cells()
    reader.feed(page)
    return reader.texts


def test_a_page_holds_every_digit_and_gaps_as_gaps():
    table = pd.DataFrame(
        {"model": ["a", None], "r": [0.123456789, np.nan], "n": [3, 4], "chosen": [True, False]}
    )
    result = rows(table_page(table, "t.csv"))
    assert result["columns"] == ["model", "r", "n", "chosen"]
    assert result["rows"] == [["a", 0.123456789, 3, True], [None, None, 4, False]]


def test_a_cell_cannot_end_the_script_that_holds_it():
    bad = "</script><script>alert(1)</script>"
    page = table_page(pd.DataFrame({bad: [bad, "<b>"]}), "t.csv")
    assert rows(page) == {"columns": [bad], "rows": [[bad], ["<b>"]]}
    assert cells(page) == [bad]
    assert page.count("<script") == 2


def test_an_empty_table_has_a_page():
    assert rows(table_page(pd.DataFrame(columns=["a", "b"]), "t.csv"))["rows"] == []


def test_no_page_refers_to_anything_outside_it():
    page = table_page(pd.DataFrame({"a": [1]}), "t.csv")
    assert not re.search(r"https?:|<link|@import|src=", page)


def test_the_summary_gives_every_answer_under_what_it_is_about():
    headline = pd.DataFrame(
        [
            ("this study, simulated data", "Q0?", "not asked", "cannot tell", True),
            ("this study, simulated data", "Q1?", "change in |r| <.05", "yes", True),
            ("published tables", "Q2?", "no", "N & p", False),
        ],
        columns=["data", "question", "legacy_line", "controlled_line", "simulated"],
    )
    headline = headline.assign(legacy_verdict="cannot tell", controlled_verdict="not asked")
    headline["controlled"] = "not computable: no benchmark"
    headline["legacy"] = ["not computable: 1 model", "r = .1", "r = .2"]
    assert cells(summary_page(headline)) == [
        "question", "legacy answer", "controlled answer",
        "this study, simulated data SIMULATED DATA", "Q1?", "change in |r| <.05", "yes",
        "Q0?", "not asked", "cannot tell",
        "published tables", "Q2?", "no", "N & p",
    ]  # fmt: skip


def test_a_data_card_counts_and_says_what_was_left_out():
    card = {
        "simulated": False, "kind": "brain", "source": "s", "citation": "c", "licence": "CC BY",
        "stimuli": 5, "context_groups": 2, "split_groups": 1, "units": "z", "tr": None,
        "locations": "vertices of fsaverage6",
        "responses": {"dimensions": ["volume", "target"], "shape": [7, 9]}, "missing_share": 0.1,
        "subjects": ["a", "b"], "regions": ["x"], "raw_files": 3, "raw_verified": True,
        "dropped": [{"n": 1, "what": "subject", "why": "only zeros"}], "notes": ["n1", "n2"],
    }  # fmt: skip
    (row,) = cards_table({"mine": card}).to_dict("records")
    assert (row["dataset"], row["rows"], row["targets"], row["subjects"]) == ("mine", 7, 9, 2)
    assert row["locations of targets"] == "vertices of fsaverage6"
    assert row["left out"] == "1 subject (only zeros)" and row["notes"] == "n1; n2"
