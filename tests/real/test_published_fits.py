"""The fits published with surprisal, made again: mean times (26 models) and Maze times (14)."""

import pandas as pd
import pytest
from brainalign.behavior.published_fits import published_fit
from brainalign.datasets import (
    kuribayashi2024,
    michaelov2024,
    natural_stories,
    natural_stories_maze,
)
from brainalign.datasets.raw import locate
from dataset_files import source_of

pytestmark = pytest.mark.real


def made_again(release, times, mirror, downloads):
    """A row per model and statistic."""
    if not (mirror / release.FOLDER).exists():
        pytest.skip(f"no real data: {mirror} has no {release.FOLDER}")
    raw = locate(times.raw_files(source_of(times)), mirror, downloads)
    prepared = times.read(raw, source_of(times))
    tables = []
    for model in release.models():
        source = source_of(release, model=model)
        files = locate(release.raw_files(source), mirror, downloads)
        fit = published_fit(source, files, raw, prepared.stimuli, prepared.responses)
        tables.append(fit.assign(model=model))
    return pd.concat(tables)


@pytest.fixture(scope="module")
def fits(mirror, tmp_path_factory):
    """statistic → a row per model."""
    downloads = tmp_path_factory.mktemp("downloads")
    table = made_again(kuribayashi2024, natural_stories, mirror, downloads)
    assert table["model"].nunique() == 26
    return {name: rows.set_index("model") for name, rows in table.groupby("statistic")}


@pytest.mark.parametrize("statistic", ["words", "mean_bits"])
def test_words_and_mean_surprisal_are_theirs(fits, statistic):
    table = fits[statistic]
    assert table["recomputed"].to_dict() == pytest.approx(table["published"].to_dict(), rel=1e-9)


def test_models_stand_as_they_published(fits):
    """Their frequencies (of units of a SentencePiece model of Wikipedia) are not published."""
    gain = fits["delta_loglik_per_word"]
    assert gain["published"].corr(gain["recomputed"]) > 0.998
    assert gain["published"].corr(gain["recomputed"], method="spearman") > 0.99
    # Joined in place, the previous words' surprisal takes more of the gain.
    assert (gain["in_place"] < gain["recomputed"]).all()


def test_their_slope_on_the_word_before_is_an_artefact_of_the_order_of_stories(fits):
    """Joined in the order of story numbers as text, "1", "10", "2", it is that of other words."""
    slope = fits["slope_1_back"]
    assert (slope["published"] < 0).all() and (slope["recomputed"] < 0).all()
    assert slope["recomputed"].to_dict() == pytest.approx(slope["published"].to_dict(), abs=0.06)
    assert (slope["in_place"] > 0.1).all()


def test_the_published_criteria_of_maze_times_are_reproduced(mirror, tmp_path):
    """lme4's AIC of scaled log times, 56,447 of 63 readers, within the last printed digits."""
    table = made_again(michaelov2024, natural_stories_maze, mirror, tmp_path).set_index("model")
    assert len(table) == 14 and (table["n"] == 56447).all()
    assert table["recomputed"].to_dict() == pytest.approx(table["published"].to_dict(), abs=0.01)
