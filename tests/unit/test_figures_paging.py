"""Figures with a row per model: pages of many models, each row once, all on one scale."""

import re

import figure_tables as tables
import numpy as np
import pytest
from brainalign.analysis.baselines import against_baselines
from brainalign.analysis.mixed_effects import mixed_effects as effects
from brainalign.analysis.profiles import layer_profiles
from brainalign.analysis.reading_loss import reading_loss as losses_of_tuning
from brainalign.figures.alignment import alignment
from brainalign.figures.baselines import baselines
from brainalign.figures.behavior import behavior
from brainalign.figures.correlates import correlates
from brainalign.figures.improvement import improvement
from brainalign.figures.layer_curves import layer_curves
from brainalign.figures.legacy_controlled import legacy_controlled
from brainalign.figures.losses import losses
from brainalign.figures.mixed_effects import mixed_effects
from brainalign.figures.paging import ONE_PAGE, Page, save_pages
from brainalign.figures.presentations import presentations
from brainalign.figures.profiles import profiles
from brainalign.figures.reading_loss import reading_loss
from brainalign.figures.reading_measures import reading_measures
from brainalign.figures.style import drawing
from brainalign.models.settings import Hub, Length
from brainalign.study.figure_pages import figure_pages
from brainalign.study.models import StudyModel, role
from figure_checks import collisions, cut_off, said
from msgspec.structs import replace

FIGURES = {
    alignment: ["scores"], baselines: ["baselines", "scores"], layer_curves: ["layers", "scores"],
    behavior: ["behaviors", "correlations", "capabilities", "losses"], losses: ["losses"],
    legacy_controlled: ["scores"], presentations: ["presentations"],
    profiles: ["profiles", "scores"], reading_measures: ["behaviors"],
}  # fmt: skip
# Networks: 1, 4, 25, 41 and 100; of a family its sizes, tuned models per size, an untrained twin.
# (Those of the two small studies are taken out.)
STUDIES = {
    1: (("gpt2", 1, 0),),
    4: (("gpt2", 2, 1),),
    25: (("gpt2", 3, 2), ("llama", 4, 1), ("t5", 5, 0)),
    41: (("gpt2", 4, 2), ("gemma", 4, 2), ("llama", 4, 1), ("t5", 5, 0)),
    100: tuple((f"family-{name}", 3, 2) for name in "abcdefghij"),
}
TALLEST = 17.0  # inches, with the two benchmarks of these studies


@pytest.fixture(scope="module", params=[1, 4, pytest.param(25, marks=pytest.mark.long), 41,
                                        pytest.param(100, marks=pytest.mark.long)])  # fmt: skip
def many(request):
    """The number of networks of an invented study, its tables, and its pages."""
    count = request.param
    families = STUDIES[count]
    made = {"scores": tables.scores(families, ("passages",))}
    made["behaviors"] = tables.behaviors(families)
    made["capabilities"] = tables.capabilities(families)
    made["losses"] = tables.losses(families)
    if count < 5:
        made = {name: table[table["role"] != "untrained"] for name, table in made.items()}
    models = {}
    for row in made["scores"].drop_duplicates("model").itertuples():
        source = Length() if row.role == "baseline" else Hub("owner/name", "main")
        model = StudyModel(source, row.base, family=row.family, known_role=row.role)
        models[row.model] = model
        if row.role != "baseline":
            models[f"{row.model}-as-chat"] = replace(
                model, known_role="presentation", presented=row.model
            )
    roles = [role(model) for model in models.values()]
    assert sum(one not in ("baseline", "presentation") for one in roles) == count
    made |= tables.analysed(made)
    made["layers"] = tables.layers(families, ("passages",))
    made["profiles"] = layer_profiles(made["layers"])
    made["baselines"] = against_baselines(made["scores"], tables.subjects(made["scores"]))
    made["mixed_effects"] = effects(made["scores"], tables.subjects(made["scores"]))
    made["reading_loss"] = losses_of_tuning(made["behaviors"], tables.stories(made["behaviors"]))
    made["presentations"] = tables.in_presentations(made["behaviors"])
    return count, made, figure_pages(models)


def rows(figure):
    """Names of the models that have a row, baselines left out."""
    names = [text.get_text() for axes in figure.axes for text in axes.get_yticklabels()]
    if figure.get_suptitle().startswith("Brain alignment by layer"):
        names = [text.get_text() for axes in figure.axes for text in axes.texts]
    return {name for name in names if re.fullmatch(r"[a-z][^\n]*", name)} - {
        "oasm",
        "position",
        "length",
    }


def expected(draw, table):
    """The rows of all pages together."""
    if draw is presentations:
        pairs = table[(table["level"] == "pair") & (table["mode"] == "controlled")]
        tuning = pairs["comparison"] == "tuned - vanilla"
        names = pairs["model"].where(tuning, pairs["reference"]) + ": "
        return set(names.where(~tuning, names + "tuning, ") + pairs["presentation"])
    known = table[table["model"] != "all"]
    return set(known["model"]) - {"oasm", "position", "length"}


@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_every_model_is_on_one_page_and_no_page_is_taller_than_paper(many, draw):
    count, made, pages = many
    given = [made[name] for name in FIGURES[draw]]
    assert len(pages) == {1: 1, 4: 1, 25: 1, 41: 2, 100: 3}[count]
    with drawing():
        if len(pages) == 1:
            figure = draw(*given)
            assert figure.get_figheight() <= TALLEST
            figure.draw_without_rendering()
            assert collisions(figure) == [] and cut_off(figure) == []
            return
        drawn = [
            draw(*given, page=Page(i, len(pages), frozenset(names)))
            for i, names in enumerate(pages, start=1)
        ]
        listed = [name for figure in drawn for name in rows(figure)]
        assert len(listed) == len(set(listed))
        assert set(listed) == expected(draw, given[0])
        assert all(figure.get_figheight() <= TALLEST for figure in drawn)
        assert np.allclose(scales(drawn[0]), scales(drawn[-1]))
        drawn[-1].draw_without_rendering()
    assert collisions(drawn[-1]) == [] and cut_off(drawn[-1]) == []
    assert f"page {len(pages)} of {len(pages)}" in said(drawn[-1])


ALL_MODELS = {
    improvement: ["contrasts", "scores"],
    correlates: ["scores", "correlations", "capabilities", "behaviors", "losses"],
    mixed_effects: ["mixed_effects"], reading_loss: ["behaviors", "reading_loss"],
}  # fmt: skip


@pytest.mark.parametrize("draw", ALL_MODELS, ids=lambda draw: draw.__name__)
def test_no_two_texts_of_a_figure_of_all_models_overlap(many, draw):
    _, made, _ = many
    with drawing():
        figure = draw(*(made[name] for name in ALL_MODELS[draw]))
        figure.draw_without_rendering()
        assert collisions(figure) == [] and cut_off(figure) == []


def scales(figure):
    """What is the same on every page: of layers' curves the range of r, of others that across."""
    if figure.get_suptitle().startswith("Brain alignment by layer"):
        return [axes.get_ylim() for axes in figure.axes if axes.get_title(loc="left")]
    return [axes.get_xlim() for axes in figure.axes if axes.axison]


def test_a_single_page_is_of_all_models_and_has_no_number(tmp_path):
    asked = []

    def draw(page):
        asked.append(page)
        return losses(tables.losses(), page)

    paths = [[tmp_path / f"{name}.{kind}" for name in "ab"] for kind in ("svg", "png")]
    with drawing():
        save_pages(draw, [[]], paths[0][:1], paths[1][:1])
        save_pages(draw, [["sim-gpt-a"], ["sim-gpt-b"]], *paths)
    assert asked[0] is ONE_PAGE and [page.number for page in asked[1:]] == [1, 2]
    assert all(path.stat().st_size for kind in paths for path in kind)
    assert "sim-gpt-b" in paths[0][1].read_text(encoding="utf-8")
    assert "sim-gpt-b" not in paths[0][0].read_text(encoding="utf-8")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_files_of_another_number_of_pages_are_removed(tmp_path, count):
    others = [tmp_path / name for name in ("losses-map.svg", "lossesmore.svg", "losses.txt")]
    for name in ("losses", *(f"losses-{i}" for i in (1, 2, 3, 4))):
        (tmp_path / f"{name}.svg").write_text("old", encoding="utf-8")
        (tmp_path / f"{name}.png").write_text("old", encoding="utf-8")
    for other in others:
        other.write_text("kept", encoding="utf-8")
    names = ["losses"] if count == 1 else [f"losses-{i}" for i in range(1, count + 1)]
    paths = [[tmp_path / f"{name}.{kind}" for name in names] for kind in ("svg", "png")]
    with drawing():
        save_pages(lambda page: losses(tables.losses(), page), [["sim-gpt-a"]] * count, *paths)
    assert set(tmp_path.iterdir()) == {*others, *paths[0], *paths[1]}
