"""The report's page holds every question, figure and table, and needs nothing outside it."""

import base64
import re
from html.parser import HTMLParser

import figure_tables as tables
import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.headline import headline
from brainalign.analysis.study_tables import Tables
from brainalign.figures.forest import MARGIN, WIDTH, forest, span
from brainalign.figures.report import ROWS, Figure, ran_on, report_page

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><text>{}</text></svg>'


class Page(HTMLParser):
    """Texts, images, anchors and links of a page, as a browser reads them."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.images, self.ids, self.links, self.loaded = [], {}, [], [], []
        self.feed(page)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        result = dict(attributes)
        self.ids += [result["id"]] if "id" in result else []
        self.links += [result["href"]] if tag == "a" and "href" in result else []
        self.loaded += [result[name] for name in ("src", "srcset", "data") if name in result]
        self.loaded += [result["href"]] if tag == "link" else []
        if tag == "img":
            self.images[result["alt"]] = result["src"]

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def questions():
    study = tables.study()
    names = ("scores", "contrasts", "correlations", "capabilities", "behaviors", "baselines")
    return headline(tables.published()[1], Tables(**{name: study[name] for name in names}))


@pytest.fixture
def page(questions, tmp_path):
    figures = []
    for name, section, part in (
        ("one", "Brain", ""),
        ("two", "Brain", "fam A"),
        ("two", "Other", "B"),
    ):
        svg = tmp_path / f"{name}{part}.svg"
        svg.write_text(SVG.format(f"{name} {part}"), encoding="utf-8")
        caption = f"**Figure {name}.** It *cannot show* ``all`` & <more>.\n\nA second paragraph."
        figures.append(Figure(svg, caption, section, part))
    large = pd.DataFrame({"n": range(ROWS + 1)})
    shown = {
        "headline": ("**Headline.** The answers.", questions),
        "large": ("**Large.** Much.", large),
    }
    text = report_page("my <study>", "2026-01-01", ["2 models"], questions, figures, shown)
    return text, figures


def test_every_question_and_answer_is_in_the_page(page, questions):
    actual = Page(page[0]).text
    for row in questions.to_dict("records"):
        assert row["question"] in actual
        for mode in ("legacy", "controlled"):
            assert f" {row[f'{mode}_verdict']} " in actual
            assert row[mode] in actual
            line = row[f"{mode}_line"].split(": ", 1)[1]
            assert line[1:] in actual  # its first letter is a capital one there


def test_every_figure_is_in_the_page_with_its_caption(page):
    measured = Page(page[0])
    assert len(measured.images) == 3
    for figure in page[1]:
        kind, data = measured.images[figure.title].split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(data) == figure.svg.read_bytes()
    assert measured.text.count("It cannot show all & <more>. A second paragraph.") == 3
    assert [figure.title for figure in page[1]] == [
        "Figure one",
        "Figure two: fam A",
        "Figure two: B",
    ]


def test_nothing_is_loaded_and_every_link_leads_somewhere(page):
    seen = Page(page[0])
    assert all(url.startswith("data:") for url in seen.loaded)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", page[0])
    assert "https://" not in page[0]
    assert {link[1:] for link in seen.links if link.startswith("#")} <= set(seen.ids)
    others = [link for link in seen.links if not link.startswith("#")]
    assert others == ["explore.html"]  # which the same job writes
    assert len(seen.ids) == len(set(seen.ids))
    assert "my <study>" in seen.text


def test_a_large_table_is_named_and_not_drawn(page):
    assert page[0].count('class="rows"') == 1
    assert f"{ROWS + 1} rows" in Page(page[0]).text and "tables/large.csv" in page[0]


def test_what_ran_is_counted_by_kind():
    roles = ["vanilla", "vanilla", "tuned", "baseline"]
    models = {f"m{i}": {"role": role, "simulated": True} for i, role in enumerate(roles)}
    assert ran_on(models, ["a", "b"], [], ["mmlu"], []) == [
        "4 models: 2 vanilla, 1 instruction-tuned, 1 baseline",
        "brain responses: a, b", "questions: mmlu",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("effect", "low", "high"), [(0.01, 0.005, 0.02), (-0.4, -0.9, 0.1), (2.0, np.nan, np.nan)]
)
def test_a_forest_plot_has_estimate_interval_and_0_where_they_are(effect, low, high):
    ends = span([effect, low, high])
    drawn = forest(effect, low, high, ends, "label")
    scale = (WIDTH - 2 * MARGIN) / (ends[1] - ends[0])

    def x(value):
        return MARGIN + scale * (value - ends[0])

    (at,) = re.findall(r'<circle class="(?:estimate|alone)" cx="([\d.]+)"', drawn)
    assert float(at) == pytest.approx(x(effect), abs=0.06)
    (zero,) = re.findall(r'class="zero" x1="([\d.]+)"', drawn)
    assert float(zero) == pytest.approx(x(0), abs=0.06)
    interval = re.findall(r'class="interval" x1="([\d.]+)" x2="([\d.]+)"', drawn)
    if np.isnan(low):
        assert not interval and 'class="alone"' in drawn
    else:
        assert np.array(interval[0], float) == pytest.approx([x(low), x(high)], abs=0.06)
    assert forest(np.nan, low, high, ends, "label") == ""


def test_an_axis_holds_0_and_all_values():
    for values in ([], [np.nan], [0.0], [0.2, 0.3], [-0.1, -0.5, np.nan]):
        low, high = span(values)
        assert low < high
        assert all(low <= value <= high for value in [0, *values] if not np.isnan(value))
