"""The headline table: every answer is a number of the tables, or why there is none."""

import figure_tables as tables
import pandas as pd
import pytest
from brainalign.analysis.headline import COLUMNS, as_text, headline
from brainalign.analysis.wording import p_text, r_text


@pytest.fixture(scope="module")
def study():
    return tables.study(tables.LARGE)


@pytest.fixture(scope="module")
def check():
    return tables.published()[1]


@pytest.fixture(scope="module")
def table(study, check):
    names = ("scores", "contrasts", "correlations", "capabilities", "losses")
    return headline(check, **{name: study[name] for name in names})


def answers(table, question, data="this study, simulated data"):
    row = table[(table["data"] == data) & table["question"].str.startswith(question)]
    assert len(row) == 1, question
    return row.iloc[0]


def test_one_row_per_question_and_no_gap(table):
    assert list(table.columns) == list(COLUMNS)
    assert not table[["data", "question"]].duplicated().any()
    assert (table[["legacy", "controlled"]].map(len) > 0).all().all()


def test_gain_is_the_contrast_s(table, study):
    contrasts = study["contrasts"]
    for mode in ("legacy", "controlled"):
        rows = contrasts[
            (contrasts["mode"] == mode)
            & (contrasts["dataset"] == "average")
            & (contrasts["measure"] == "r")
        ]
        pairs = rows.loc[rows["level"] == "pair", "absolute"]
        overall = rows[rows["level"] == "overall"].set_index("unit")
        text = answers(table, "Does instruction tuning raise brain alignment?")[mode]
        assert f"{(pairs > 0).sum()} of {len(pairs)} pairs gain" in text
        assert f"{100 * overall.loc['pairs', 'relative']:+.1f} %" in text
        assert p_text(overall.loc["bases", "p"]) in text


def test_correlations_rest_on_tuned_models_and_on_bases(table, study):
    found = study["correlations"]
    for mode, models in (("legacy", "tuned"), ("controlled", "bases")):
        row = found[
            (found["mode"] == mode)
            & (found["models"] == models)
            & (found["x"] == "mmlu")
            & (found["y"] == "brain average")
            & (found["method"] == "partial")
        ].iloc[0]
        text = answers(table, "Does it grow with mmlu among models of equal size?")[mode]
        assert text.startswith(
            f"partial r = {r_text(row['r'])}, {p_text(row['p'])}, N = {row['n']:.0f}"
        )


def test_next_word_loss_is_the_correlation_per_byte(table, study, check):
    found = study["correlations"]
    found = found[(found["x"] == "bits_per_byte held-out") & (found["y"] == "brain average")]
    found = found[(found["subset"] == "all") & (found["method"] == "pearson")]
    row = answers(table, "Does alignment go with next-word loss (held-out)?")
    for mode, models in (("legacy", "tuned"), ("controlled", "bases")):
        own = found[(found["mode"] == mode) & (found["models"] == models)].iloc[0]
        assert row[mode].startswith(
            f"r = {r_text(own['r'])}, {p_text(own['p'])}, N = {own['n']:.0f}"
        )
    without = headline(check, study["scores"], correlations=study["correlations"])
    assert not without["question"].str.contains("next-word").any()


def test_baseline_that_wins_is_named(table):
    row = answers(table, "Do language models beat the baselines")
    assert row["legacy"].startswith("0 of 42 do") and "(oasm)" in row["legacy"]
    assert row["controlled"].startswith("42 of 42 do")


def test_published_rows_hold_the_recomputed_values(table):
    data = "published tables, Aw et al. 2024"
    knowledge = answers(table, "Does it grow with world knowledge", data)
    assert knowledge["legacy"] == "r = .81, p < .001, N = 17"
    assert knowledge["controlled"] == "at equal size: partial r = −.16, p = .56, N = 17"
    gain = answers(table, "Does instruction tuning", data)
    assert gain["legacy"] == "mean gain +6.3 %; Wilcoxon over 17 pairs p = .005"
    assert gain["controlled"] == "Wilcoxon over 8 vanilla models p = .078"


def test_study_without_scores_keeps_the_published_rows(check):
    table = headline(check)
    assert set(table["data"]) == {"published tables, Aw et al. 2024"}


def test_study_of_one_model_says_why_not(check):
    made = {name: tables.study()[name] for name in ("scores", "behaviors", "capabilities")}
    one = {name: part[part["model"] == "sim-gpt-a"] for name, part in made.items()}
    one |= tables.analysed(one)
    table = headline(
        check, one["scores"], one["contrasts"], one["correlations"], one["capabilities"]
    )
    own = table[table["data"] == "this study, simulated data"]
    assert (
        own[["legacy", "controlled"]]
        .map(lambda text: text.startswith("not computable"))
        .all()
        .all()
    )


def test_text_holds_every_answer(table):
    text = as_text(table)
    for column in ("question", "legacy", "controlled"):
        assert all(answer in text for answer in table[column])


def test_simulated_and_real_rows_are_apart(check):
    mixed = pd.concat([tables.scores(), tables.scores(tables.LARGE, simulated=False)])
    table = headline(check, mixed)
    assert {"this study, simulated data", "this study, real data"} <= set(table["data"])
    assert table.loc[table["data"] == "this study, simulated data", "simulated"].all()
