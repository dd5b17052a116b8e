"""The headline table: every answer is a number of the tables, or why there is none."""

import re

import figure_tables as tables
import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.baselines import against_baselines
from brainalign.analysis.headline import (
    COLUMNS,
    answered_first,
    as_text,
    as_verdicts,
    headline,
)
from brainalign.analysis.study_tables import Tables
from brainalign.analysis.wording import p_text, r_text


@pytest.fixture(scope="module")
def study():
    return tables.study(tables.LARGE)


@pytest.fixture(scope="module")
def check():
    return tables.published()[1]


@pytest.fixture(scope="module")
def table(study, check):
    names = (
        "scores", "contrasts", "correlations", "capabilities", "losses", "behaviors", "baselines",
    )  # fmt: skip
    return headline(check, Tables(**{name: study[name] for name in names}))


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
        pairs = rows[rows["level"] == "pair"]
        overall = rows[rows["level"] == "overall"].set_index("unit")
        text = answers(table, "Does instruction tuning raise brain alignment?")[mode]
        higher, sure = ((pairs[name] > 0).sum() for name in ("absolute", "low"))
        assert text.endswith(
            f"higher in {higher} of {len(pairs)} pairs, {sure} with an interval above 0"
        )
        mean = overall.loc["bases"]
        relative = overall.loc["pairs", "relative_by_dataset"]
        assert f"{100 * relative:+.1f} %".replace("-", "−") in text
        change = "change in r {} [{}, {}]".format(
            *(f"{mean[name]:+.4f}".replace("-", "−") for name in ("absolute", "low", "high"))
        )
        p = mean["p"] if mode == "controlled" else mean["p_these_stimuli"]
        stimuli = {"legacy": "these", "controlled": "new"}[mode]
        scope = f"(new vanilla models, new subjects, {stimuli} stimuli)"
        assert mean["absolute"] > 0
        over = f"{p_text(p)} over {mean['n']:.0f} vanilla models {scope}"
        assert text.startswith(f"{change}; {over}; relative ")
        row = answers(table, "Does instruction tuning raise brain alignment?")
        assert row[f"{mode}_verdict"] == ("yes" if p < 0.05 else "cannot tell")
        ends = [row[f"{mode}_{name}"] for name in ("effect", "low", "high")]
        assert ends == [mean[name] for name in ("absolute", "low", "high")]
        assert ("for these stimuli" in row[f"{mode}_line"]) == (mode == "legacy")


@pytest.mark.parametrize(
    ("x", "given", "question"),
    [
        ("mmlu", "log10_parameters", "Does alignment grow with mmlu among models of equal size?"),
        ("log10_parameters", "mmlu", "Does alignment grow with size among models of equal mmlu?"),
    ],
)
def test_correlations_rest_on_tuned_models_and_on_bases(table, study, x, given, question):
    result = study["correlations"]
    for mode, models in (("legacy", "tuned"), ("controlled", "bases")):
        row = result[
            (result["mode"] == mode)
            & (result["models"] == models)
            & (result["x"] == x)
            & (result["y"] == "brain average")
            & (result["method"] == "partial")
            & (result["controlled_for"] == given)
        ].iloc[0]
        text = answers(table, question)[mode]
        assert text.startswith(
            f"partial r = {r_text(row['r'])}, {p_text(row['p'])} (these stimuli), "
            f"adjusted {p_text(row['p_adjusted'])}, N = {row['n']:.0f}"
        )
        beside = f"taking models as independent, as the paper does, {p_text(row['p_independent'])}"
        assert (beside in text) == (mode == "legacy")


def test_a_correlation_over_families_stands_beside_the_one_around_their_means(table, study):
    actual = study["correlations"].query("mode == 'controlled' and y == 'brain average'")
    actual = actual.query("models == 'bases' and subset == 'all' and x == 'log10_parameters'")
    row = actual.set_index("method").loc["within families"]
    full = actual.set_index("method").loc["pearson"]
    assert full["n_families"] < full["n_bases"] == full["n"]
    text = answers(table, "Does alignment grow with size?")["controlled"]
    assert text.startswith(
        f"r = {r_text(full['r'])}, {p_text(full['p'])} (these stimuli), "
        f"adjusted {p_text(full['p_adjusted'])}, N = {full['n']:.0f}"
    )
    assert full["scope"] == "new vanilla models, these subjects, these stimuli"
    beside = f"the {full['n_families']:.0f} families r = {r_text(row['r'])}, {p_text(row['p'])}"
    assert text.endswith(beside)
    assert "within families" in full["note"]


def test_next_word_loss_is_the_correlation_per_byte(table, study, check):
    measured = study["correlations"]
    measured = measured[
        (measured["x"] == "bits_per_byte held-out") & (measured["y"] == "brain average")
    ]
    measured = measured[(measured["subset"] == "all") & (measured["method"] == "pearson")]
    row = answers(table, "Does alignment grow with next-word loss (held-out)?")
    for mode, models in (("legacy", "tuned"), ("controlled", "bases")):
        part = measured[(measured["mode"] == mode) & (measured["models"] == models)].iloc[0]
        assert row[mode].startswith(
            f"r = {r_text(part['r'])}, {p_text(part['p'])} (these stimuli), "
            f"adjusted {p_text(part['p_adjusted'])}, N = {part['n']:.0f}"
        )
    without = headline(check, Tables(study["scores"], correlations=study["correlations"]))
    assert not without["question"].str.contains("next-word").any()


def test_baseline_that_wins_is_named_beside_the_mean_model(table, study):
    row = answers(table, "Do language models beat the baselines")
    complete = study["scores"].query("region == 'all' and role in ('vanilla', 'tuned')")
    n = complete["model"].nunique()
    assert row["legacy"].startswith(f"0 of {n} do") and "(oasm)" in row["legacy"]
    assert row["controlled"].startswith(f"{n} of {n} do")
    assert "the best baseline beats the mean model" not in row["controlled"]
    for mode in ("legacy", "controlled"):
        of_model = complete[complete["mode"] == mode].groupby("model")["r"].mean()
        assert f"mean model {r_text(of_model.mean(), 3)}, best baseline" in row[mode]
    least = study["baselines"].query("against_role == 'baseline' and mode == 'controlled'")
    for benchmark, part in least.groupby("benchmark"):
        above = (part.groupby("model")["low"].min() > 0).sum()
        assert f"{above} of {n} on {benchmark} (new stimuli)" in row["controlled"]


def answered(check, study, question, change):
    """The answer of a study with one dataset's scores changed."""
    scores = study["scores"].copy()
    change(scores)
    return answers(headline(check, Tables(scores)), question)["controlled"]


def test_dataset_where_a_baseline_wins_is_named(check, study):
    def raise_oasm(scores):
        rows = (scores["model"] == "oasm") & (scores["dataset"] == "chapter")
        scores.loc[rows, "r"] = 0.2

    text = answered(check, study, "Do language models beat the baselines", raise_oasm)
    best = study["scores"].query(
        "mode == 'controlled' and dataset == 'chapter' and region == 'all' "
        "and role in ('vanilla', 'tuned')"
    )["r"]
    assert "averaged over datasets" in text
    assert text.count("beats the mean model on chapter (oasm .200, ") == 1
    assert f"mean model {r_text(best.mean(), 3)})" in text and "passages" not in text


@pytest.mark.parametrize(("p", "verdict"), [(0.01, "yes"), (0.2, "cannot tell")])
def test_draws_of_chance_say_whether_models_are_above_it(check, study, p, verdict):
    question = "Do models predict responses better than by chance?"
    scores = study["scores"].assign(r_p=np.nan, group_p=np.nan)
    trained = scores["role"].isin(["vanilla", "tuned"]) & (scores["mode"] == "controlled")
    assert question not in set(headline(check, Tables(scores=scores))["question"])
    scores.loc[trained, ["n_significant", "n_targets", "r_p", "group_p"]] = [3, 60, 0.01, 0.01]
    last = trained[trained].index[-1]
    one = scores.loc[last]
    of_one = (scores["model"] == one["model"]) & (scores["benchmark"] == one["benchmark"])
    scores.loc[of_one, ["r_p", "group_p"]] = [p, np.nan]
    row = answers(headline(check, Tables(scores=scores)), question)
    assert row["controlled_verdict"] == verdict and row["legacy_verdict"] == "not asked"
    assert (
        f"significant one by one: 3 of 60 targets on {scores[trained]['benchmark'].iloc[0]}"
        in (row["controlled"])
    )


def test_untrained_models_stand_beside_the_trained_ones_of_their_size(table, check, study):
    question = "Do trained models beat untrained ones?"
    all_rows = study["scores"].query("mode == 'controlled' and region == 'all'")
    means = all_rows.groupby(["model", "role", "family", "parameters"])["r"].mean().reset_index()
    untrained = means[means["role"] == "untrained"]
    expected = []
    for row in untrained.itertuples():
        same = (means["family"] == row.family) & (means["parameters"] == row.parameters)
        expected.append(means.loc[same & means["role"].isin(["vanilla", "tuned"]), "r"].mean())
    text = answers(table, question)["controlled"]
    below = (pd.Series(expected) > untrained["r"].to_numpy()).sum()
    assert text.startswith(f"trained ones are better in {below} of {len(untrained)} cases")
    assert f"mean trained {r_text(sum(expected) / len(expected), 3)}, untrained " in text

    def raise_untrained(scores):
        rows = (scores["role"] == "untrained") & (scores["dataset"] == "chapter")
        scores.loc[rows, "r"] = 0.1

    assert "untrained ones are better on chapter (.100, " in answered(
        check, study, question, raise_untrained
    )

    def of_no_size(scores):
        scores.loc[scores["role"] == "untrained", "parameters"] = None

    assert "unpaired means" in answered(check, study, question, of_no_size)


READ = pd.DataFrame(
    {
        "dataset": ["reading"],
        "mode": "none",
        "measure": "none",
        "role": "tuned",
        "value": 0.0,
        "simulated": True,
    }
)


def contrast_rows(vanilla, tuned, n_bases):
    """contrasts.csv of the controlled fit to reading times, as far as the headline reads it."""
    change = pd.Series(tuned, dtype=float) - pd.Series(vanilla, dtype=float)
    pairs = pd.DataFrame(
        {
            "level": "pair",
            "unit": "subjects",
            "absolute": change,
            "relative": change / pd.Series(vanilla),
        }
    )
    overall = {
        "level": "overall",
        "absolute": change.mean(),
        "relative": pairs["relative"].mean(),
        "low": -0.02,
        "high": 0.03,
        "n": n_bases,
        "p": 0.125,
        "p_these_stimuli": 0.1,
        "scope": "new vanilla models, these subjects, new stimuli",
    }
    units = pd.DataFrame([overall | {"unit": unit} for unit in ("pairs", "bases")])
    return pd.concat([pairs, units]).assign(
        mode="controlled",
        kind="reading-times",
        measure="delta_loglik_per_word",
        dataset="reading",
        benchmark="reading-controlled",
        simulated=True,
    )


@pytest.mark.parametrize(
    ("tuned", "relative"), [((0.02, 0.05), "; relative +12.5 %"), ((-0.01, 0.05), "")]
)
def test_relative_change_is_left_out_where_the_sign_changes(check, study, tuned, relative):
    rows = contrast_rows((0.02, 0.04), tuned, 4)
    table = headline(check, Tables(study["scores"], rows, behaviors=READ))
    text = answers(table, "Does instruction tuning raise the fit to reading times")["controlled"]
    change = f"{sum(tuned) / 2 - 0.03:+.4f}".replace("-", "−")
    assert text.startswith(
        f"change in Δ log-likelihood per word (nats) {change} ["
        "−0.0200, +0.0300]; p = .125 over 4 vanilla models "
        f"(new vanilla models, these subjects, new stimuli){relative}; "
    )


@pytest.mark.parametrize(
    ("change", "p", "verdict"),
    [
        (0.01, 0.04, "yes"), (-0.01, 0.04, "no"), (0.01, 0.05, "cannot tell"),
        (0.01, float("nan"), "cannot tell"),
    ],
)  # fmt: skip
def test_the_test_of_a_gain_gives_the_verdict(check, study, change, p, verdict):
    rows = contrast_rows((0.02, 0.04), (0.02 + change, 0.04 + change), 4)
    rows[["p", "p_these_stimuli"]] = p
    table = headline(check, Tables(study["scores"], rows, behaviors=READ))
    row = answers(table, "Does instruction tuning raise the fit to reading times")
    assert row["controlled_verdict"] == verdict
    assert row["controlled_line"].startswith(f"{verdict.capitalize()}: change in ")
    assert row["legacy"] == "not computable: the study has no legacy benchmark of reading"


@pytest.mark.parametrize(
    ("lows", "verdict", "said"),
    [
        ((0.01,), "yes", "Δ log-likelihood per word (nats) +0.0200 [+0.0100, +0.0300] over "
         "stories and readers, 1 trained model; untrained +0.0050"),
        ((-0.01,), "cannot tell", ""),
        ((0.01, -0.01), "cannot tell", "Δ log-likelihood per word (nats) +0.0250 on average, "
         "interval above 0 in 1 of 2 trained models; highest b +0.0300 [−0.0100, +0.0400]; "
         "untrained +0.0050"),
    ],
)  # fmt: skip
def test_times_without_a_pair_are_asked_what_they_can_answer(check, lows, verdict, said):
    about = {
        "dataset": "eyes gaze", "mode": "controlled", "measure": "delta_loglik_per_word",
        "simulated": False, "interval": "stories and readers",
    }  # fmt: skip
    rows = [
        {**about, "model": m, "role": "tuned", "value": value, "low": low, "high": value + 0.01}
        for m, value, low in zip("ab", (0.02, 0.03), lows, strict=False)
    ]
    rows.append({**about, "role": "untrained", "value": 0.005, "low": 0.001, "high": 0.01})
    # A tuned model without its vanilla partner has a row of contrasts, and no number there.
    alone = contrast_rows((float("nan"),), (0.02,), 0)
    alone = alone[alone["level"] == "pair"].assign(dataset="eyes gaze", simulated=False)
    table = headline(check, Tables(contrasts=alone, behaviors=pd.DataFrame(rows)))
    row = answers(
        table, "Does surprisal predict reading times (eyes gaze)?", "this study, real data"
    )
    assert row["controlled"].startswith(said) and row["controlled_verdict"] == verdict
    assert row["legacy"] == "not computable: the study has no legacy benchmark of eyes gaze"


def test_published_rows_hold_the_recomputed_values(table):
    data = "published tables, Aw et al. 2024"
    knowledge = answers(table, "Does it grow with world knowledge", data)
    assert (
        knowledge["legacy"] == "r = .81, p < .001 taking models as independent, N = 17 tuned models"
    )
    assert knowledge["controlled"] == (
        "at equal size: partial r = −.16, p = .733 over 8 vanilla models, N = 17 tuned models"
    )
    gain = answers(table, "Does instruction tuning", data)
    assert gain["legacy"] == (
        "mean gain +6.3 %; Wilcoxon over 17 pairs taken as independent p = .005"
    )
    assert gain["controlled"] == "Wilcoxon over 8 vanilla models p = .078"


def test_study_without_scores_keeps_the_published_rows(check):
    table = headline(check, Tables())
    assert set(table["data"]) == {"published tables, Aw et al. 2024"}


@pytest.mark.parametrize("datasets", [("passages",), ("passages", "stories")])
def test_an_average_is_called_one_where_it_is_of_several_datasets(datasets):
    scores = tables.scores(datasets=datasets)
    differences = against_baselines(scores, tables.subjects(scores))
    table = headline(None, Tables(scores, baselines=differences))
    for question in ("Do language models beat", "Do trained models beat"):
        text = answers(table, question)["controlled"]
        several = len(datasets) > 1
        assert ("averaged over datasets" in text) is several
        assert ("on passages; mean" in text) is not several


def test_study_without_the_papers_tables_has_no_rows_of_them():
    table = headline(None, Tables(tables.scores()))
    assert set(table["data"]) == {"this study, simulated data"}
    assert headline(None, Tables()).empty


@pytest.mark.parametrize(
    ("change", "low", "high", "said"),
    [
        (0.02, 0.01, 0.03, "higher in the one pair"),
        (0.02, -0.01, 0.05, "higher in the one pair, whose interval contains 0"),
        (0.02, None, None, "higher in the one pair"),
        (-0.02, -0.03, -0.01, "lower in the one pair"),
        (0.00001, -0.01, 0.01, "unchanged (to 4 decimals) in the one pair, whose interval "
         "contains 0"),
        (-0.00001, None, None, "unchanged (to 4 decimals) in the one pair"),
    ],
)  # fmt: skip
def test_one_pair_claims_no_gain_that_it_does_not_have(check, study, change, low, high, said):
    rows = contrast_rows((0.5,), (0.5 + change,), 1)
    pair = rows["level"] == "pair"
    rows.loc[pair, ["low", "high"]] = low, high
    table = headline(check, Tables(study["scores"], rows, behaviors=READ))
    text = answers(table, "Does instruction tuning raise the fit to reading times")["controlled"]
    assert text.endswith(f"; {said}")
    if "unchanged" in said:
        assert text.startswith("change in Δ log-likelihood per word (nats) 0.0000 [")


@pytest.mark.parametrize(
    ("name", "question", "said"),
    [
        ("behaviors", "Does instruction tuning raise the fit to reading times", "higher in "),
        ("capabilities", "Are tuned models better at", "mean accuracy tuned"),
    ],
)
def test_study_of_one_kind_asks_what_it_measures(check, study, name, question, said):
    asked = study[name]["dataset" if name == "behaviors" else "task"]
    chosen = study[name][asked == asked.iloc[0]]
    at_once = headline(check, Tables(contrasts=study["contrasts"], **{name: chosen}))
    assert said in answers(at_once, question)["controlled"]
    predicted = "Does surprisal predict reading times"
    assert at_once["simulated"].sum() == 1 + at_once["question"].str.startswith(predicted).sum()
    assert at_once["question"].str.startswith(predicted).any() == (name == "behaviors")
    without = headline(check, Tables(**{name: chosen[chosen["role"] == "vanilla"]}))
    if name == "behaviors":  # what a study without a pair can answer
        answer = answers(without, "Does surprisal predict reading times")["controlled"]
        assert (
            "above 0 in" in answer and not without["question"].str.contains("raise the fit").any()
        )
    else:
        assert answers(without, question)["controlled"].startswith("not computable: ")


def test_study_of_one_model_says_why_not(check):
    made = {name: tables.study()[name] for name in ("scores", "behaviors", "capabilities")}
    one = {name: part[part["model"] == "sim-gpt-a"] for name, part in made.items()}
    one |= tables.analysed(one)
    table = headline(
        check, Tables(one["scores"], one["contrasts"], one["correlations"], one["capabilities"])
    )
    these = table[table["data"] == "this study, simulated data"]
    assert (
        these[["legacy", "controlled"]]
        .map(lambda text: text.startswith("not computable"))
        .all()
        .all()
    )


VERDICTS = {"yes", "no", "cannot tell", "not asked"}


def test_every_answer_has_a_verdict_and_a_sentence(table):
    for mode in ("legacy", "controlled"):
        assert set(table[f"{mode}_verdict"]) <= VERDICTS
        for verdict, line in zip(table[f"{mode}_verdict"], table[f"{mode}_line"], strict=True):
            assert line.startswith(f"{verdict.capitalize()}: ") and line.endswith(".")
            assert "  " not in line and ".." not in line


def test_no_verdict_without_a_test_or_an_interval(table):
    """What cannot be computed, and what stands alone, is no yes and no no."""
    for mode in ("legacy", "controlled"):
        decided = table[table[f"{mode}_verdict"].isin(["yes", "no"])]
        assert len(decided) > 0
        for text in decided[mode]:
            assert re.search(r"p [=<] |interval|within", text), text
    assert (
        set(headline(tables.published()[1], Tables(tables.scores()))["legacy_verdict"]) <= VERDICTS
    )


def test_text_holds_every_answer(table):
    text = as_text(table)
    for column in ("question", "legacy", "controlled"):
        assert all(answer.removeprefix("not computable: ") in text for answer in table[column])
    assert ": not computable" not in text
    short = as_verdicts(table, published=True)
    left_out = 0
    for position, row in enumerate(table.to_dict("records")):
        words = [row["legacy_verdict"], row["controlled_verdict"], row["question"]]
        if re.search(r" +".join(map(re.escape, words)), short):
            continue
        assert not {"yes", "no"} & set(words[:2]) and position > 0, row["question"]
        left_out += 1
    counts = re.findall(r"(\d+) more questions?$", short, re.MULTILINE)
    assert sum(map(int, counts)) == left_out > 0
    assert len(short.splitlines()) == len(table) - left_out + table["data"].nunique() + len(counts)


def test_questions_without_an_answer_stand_last_and_keep_their_order(table):
    unknown, no = "not computable: 1 model", "cannot tell"
    answers_ = [
        ("a", unknown, no),
        ("b", "r = .1", no),
        ("c", unknown, "not asked"),
        ("d", "1", no),
    ]
    rows = [
        {"data": data, "question": name, "legacy": text, "controlled": unknown,
         "legacy_verdict": verdict, "controlled_verdict": no}
        for data in ("mine", "theirs") for name, text, verdict in answers_
    ]  # fmt: skip
    ordered = answered_first(pd.DataFrame(rows))
    assert ordered["question"].tolist() == list("bdac" * 2)
    assert ordered["data"].tolist() == ["mine"] * 4 + ["theirs"] * 4
    assert sorted(answered_first(table).index) == list(table.index)


def test_published_answers_are_shown_in_the_terminal_only_if_asked_for(table):
    assert "published tables" in as_verdicts(table, published=True)
    assert "published tables" not in as_verdicts(table, published=False)


def test_a_study_without_legacy_benchmarks_has_no_column_of_them(study, check):
    names = ("scores", "contrasts", "correlations", "capabilities", "baselines")
    selected = {name: study[name] for name in names}
    for name in ("scores", "contrasts", "correlations", "baselines"):
        selected[name] = selected[name][selected[name]["mode"] != "legacy"]
    selected["capabilities"] = study["capabilities"]
    table = headline(check, Tables(**selected))
    row = answers(table, "Does alignment grow with size?")
    assert row["legacy"] == "not computable: the study has no legacy benchmark of brain data"
    assert row["legacy_verdict"] == "not asked" != row["controlled_verdict"]
    short = as_verdicts(table, published=False)
    assert short.splitlines()[0].split() == ["controlled", "[this", "study,", "simulated", "data]"]
    assert "not asked" not in short


def test_a_study_without_a_pair_says_how_a_model_is_one_of_a_pair(study, check):
    scores = study["scores"].assign(role=study["scores"]["role"].replace("tuned", "vanilla"))
    tables_ = Tables(scores, study["contrasts"].iloc[:0], study["correlations"].iloc[:0])
    table = headline(check, tables_)
    row = answers(table, "Does instruction tuning raise brain alignment?")
    assert row["controlled_verdict"] == "not asked"
    assert answers(table, "Does alignment grow with size?")["controlled"].endswith("no tuned model")
    lines = as_verdicts(table, published=False).splitlines()
    assert lines[1].startswith("not asked    not asked    Does instruction tuning")
    assert "names the other as `base`" in lines[2]


def test_simulated_and_real_rows_are_apart(check):
    mixed = pd.concat([tables.scores(), tables.scores(tables.LARGE, simulated=False)])
    table = headline(check, Tables(mixed))
    assert {"this study, simulated data", "this study, real data"} <= set(table["data"])
    assert table.loc[table["data"] == "this study, simulated data", "simulated"].all()


def test_questions_about_real_models_leave_simulated_tasks_and_texts_out(check, study):
    real = study["scores"].assign(simulated=False)
    mixed = pd.concat([study["scores"], real])
    names = ("contrasts", "correlations", "capabilities", "losses")
    table = headline(check, Tables(mixed, **{name: study[name] for name in names}))
    task, text = study["capabilities"]["task"].iloc[0], study["losses"]["text"].iloc[0]
    asked = table.groupby("data")["question"].agg(" ".join)
    assert task in asked["this study, simulated data"]
    assert text in asked["this study, simulated data"]
    assert task not in asked["this study, real data"] and text not in asked["this study, real data"]


def test_an_answer_says_which_role_or_mode_is_absent(check, study):
    scores = study["scores"][~study["scores"]["role"].isin(["baseline", "untrained"])]
    table = headline(check, Tables(scores[scores["mode"] == "legacy"]))
    row = answers(table, "Do language models beat the baselines")
    assert row["legacy"] == (
        "not computable: the study has no baseline with an alignment on every dataset"
    )
    assert row["controlled"] == (
        "not computable: the study has no benchmark of alignment in controlled mode"
    )
    untrained = answers(table, "Do trained models beat untrained ones?")["legacy"]
    assert "no untrained model with an alignment" in untrained


def test_a_companion_is_in_no_answer(study, check):
    scores, baselines = study["scores"], study["baselines"]
    of = scores["dataset"].iloc[0]
    turned = scores[scores["dataset"] == of].assign(companion=True, dataset="x", benchmark="x")
    more = pd.concat([scores, turned.assign(r=-turned["r"], low=-turned["high"])])
    rows = baselines[baselines["dataset"] == of].assign(dataset="x", benchmark="x", low=9.0)
    rows = pd.concat([baselines, rows])
    pd.testing.assert_frame_equal(
        headline(check, Tables(more, baselines=rows)),
        headline(check, Tables(scores, baselines=baselines)),
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.001, 0.003, "yes"), (-0.003, -0.001, "no"), (-0.001, 0.002, "cannot tell")],
)
def test_the_interval_of_a_gain_beyond_loss_gives_the_verdict(low, high, verdict, study):
    table = study["reading_loss"]
    overall = table["model"] == "all"
    changed = table.assign(
        difference=table["difference"].where(~overall, (low + high) / 2),
        low=table["low"].where(~overall, low), high=table["high"].where(~overall, high),
        p=table["p"].where(~overall, 0.04),
    )  # fmt: skip
    seen = headline(
        tables.published()[1],
        Tables(contrasts=study["contrasts"], behaviors=study["behaviors"], reading_loss=changed),
    )
    asked = "Does it raise the fit by more than its loss of prediction explains (reading)?"
    row = answers(seen, asked)
    text = row["controlled"]
    assert row["controlled_verdict"] == verdict
    assert text.startswith("change in Δ log-likelihood per word (nats) at equal surprisal ")
    assert f"[{low:+.4f}, {high:+.4f}]".replace("-", "−") in text
    assert "p = .040 over" in text
    assert "vanilla models (new vanilla models, these subjects, " in text
