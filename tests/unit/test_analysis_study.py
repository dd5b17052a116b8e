"""The study's tables: the paper's scores as a study, planted effects, studies that lack parts."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import yaml
from brainalign.analysis.association import over_clusters, partial
from brainalign.analysis.averages import dataset_scores
from brainalign.analysis.baselines import against_baselines
from brainalign.analysis.collect import collect_behaviors, collect_losses
from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.correlations import correlations
from brainalign.analysis.measured import measured_beside_published
from brainalign.analysis.mixed_effects import mixed_effects
from brainalign.analysis.profiles import layer_profiles
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores, collect_similarities
from brainalign.encoding.summary import OF_CHOSEN
from brainalign.errors import InputError
from brainalign.formats.tables import read_table, write_json, write_table
from scipy import stats
from simulated_studies import Plant, study

BRAIN = ("pereira2018", "blank2014", "wehbe2014")


@pytest.fixture(scope="module")
def published(repository):
    return pd.read_csv(repository / "resources" / "published" / "models.csv")


def as_study(published):
    """The paper's 25 models as a study's tables; single subjects are not published."""
    main = published[published["part"] == "main"]
    rows = [
        {
            "model": m["model"], "label": m["model"], "base": m["base"], "family": m["family"],
            "role": m["role"], "parameters": m["parameters"], "published": None,
            "dataset": dataset, "benchmark": f"{dataset}-legacy", "mode": "legacy",
            "companion": False, "region": "all", "r": m[dataset], "low": m[dataset] - 0.01,
            "high": m[dataset] + 0.01, "simulated": False,
        }
        for m in main.to_dict("records")
        for dataset in BRAIN
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    subjects = scores.assign(subject="all", fold=-1, held_out="", n_targets=1).iloc[:0]
    answers = [
        {
            "model": m["model"], "label": m["model"], "base": m["base"], "family": m["family"],
            "role": m["role"], "parameters": m["parameters"], "published": None, "task": "mmlu",
            "category": "all", "accuracy": m["mmlu"], "low": m["mmlu"] - 0.01,
            "high": m["mmlu"] + 0.01, "n": 14042, "scoring": "legacy", "simulated": False,
        }
        for m in main[main["mmlu"].notna()].to_dict("records")
    ]  # fmt: skip
    return {"scores": scores, "subjects": subjects, "capabilities": pd.DataFrame(answers)}


@pytest.fixture(scope="module")
def paper(published):
    return as_study(published)


@pytest.fixture(scope="module")
def planted():
    plant = Plant(size=0.03, tuning=0.01)
    return study(plant, np.random.default_rng(0), ("legacy", "controlled"))


def test_the_papers_scores_give_the_papers_gains(paper):
    table = contrasts(**paper)
    overall = table[(table["level"] == "overall") & (table["unit"] == "pairs")]
    overall = overall.set_index("dataset")
    for dataset, gain in (("pereira2018", 0.070), ("blank2014", 0.080), ("wehbe2014", 0.040)):
        assert overall.loc[dataset, "relative"] == pytest.approx(gain, abs=5e-4)
        assert overall.loc[dataset, "n"] == 17
    assert overall.loc["average", "relative_by_dataset"] == pytest.approx(0.0632, abs=5e-5)
    # The paper prints rounded averages; these are the means of its columns (p .005 there).
    assert overall.loc["average", "p_independent"] == pytest.approx(0.005, abs=0.003)
    bases = table[(table["level"] == "overall") & (table["unit"] == "bases")]
    brain = bases["kind"] == "brain"
    assert (bases.loc[brain, "n"] == 8).all()
    # Nobody published the MMLU scores of the vanilla models.
    assert bases.loc[~brain, "note"].str.startswith("not computable").all()
    t5 = table[(table["level"] == "family") & (table["family"] == "T5")]
    t5 = t5[t5["unit"] == "pairs"].set_index("dataset")
    assert t5.loc["pereira2018", "relative"] == pytest.approx(0.092, abs=5e-4)


def test_the_papers_scores_give_the_papers_correlations(paper):
    table = correlations(paper["scores"], capabilities=paper["capabilities"])
    table = table[(table["y"] == "brain average") & (table["subset"] == "all")]

    def r(models, x, method):
        row = table[(table["models"] == models) & (table["x"] == x) & (table["method"] == method)]
        return row["r"].item(), row["n"].item()

    assert r("tuned", "mmlu", "pearson") == (pytest.approx(0.805, abs=3e-3), 17)
    assert r("tuned", "log10_parameters", "pearson") == (pytest.approx(0.946, abs=1e-3), 17)
    assert r("all", "log10_parameters", "pearson") == (pytest.approx(0.920, abs=2e-3), 25)
    assert r("tuned", "mmlu", "partial") == (pytest.approx(-0.16, abs=0.02), 17)
    assert r("tuned", "log10_parameters", "partial") == (pytest.approx(0.84, abs=0.01), 17)
    assert r("bases", "log10_parameters", "pearson")[1] == 8
    # Nobody published the MMLU scores of the vanilla models.
    assert r("all", "mmlu", "pearson")[1] == 17


def test_within_family_rows_are_the_families(paper):
    table = correlations(paper["scores"], capabilities=paper["capabilities"])
    row = table[(table["models"] == "tuned") & (table["x"] == "mmlu")]
    row = row[(row["y"] == "brain average") & (row["subset"] == "within LLaMA")]
    assert row["n"].item() == 5
    assert row["r"].item() == pytest.approx(-0.09, abs=0.02)


def reading_times(scores, seed=5):
    """behaviors.csv and stories.csv of a study: r of reading times, far above alignment."""
    noise = np.random.default_rng(seed)
    full = scores.drop_duplicates(["model", "mode"]).assign(
        dataset="times", benchmark="times", measure="r", note="", low=np.nan, high=np.nan
    )
    behaviors = full.assign(value=0.5 + 0.3 * noise.random(len(full)))
    stories = [
        behaviors.assign(kind="story", group=k, n=60, value=behaviors["value"] + k / 100)
        for k in range(5)
    ]
    return {"behaviors": behaviors, "stories": pd.concat(stories, ignore_index=True)}


def test_reading_times_do_not_enter_the_average_of_brain_alignment(planted):
    tables = {name: planted[name] for name in ("scores", "subjects")}
    alone = contrasts(**tables)
    both = contrasts(**tables, **reading_times(planted["scores"]))
    assert set(both["kind"]) == {"brain", "reading-times"}
    brain = both[both["kind"] == "brain"].reset_index(drop=True)
    pd.testing.assert_frame_equal(brain, alone, check_dtype=False)
    times = both[both["kind"] == "reading-times"]
    assert set(times["dataset"]) == {"times"}
    assert set(times["test_family"]).isdisjoint(brain["test_family"])
    only_times = contrasts(**reading_times(planted["scores"]))
    columns = [name for name in times.columns if not times[name].isna().all()]
    pd.testing.assert_frame_equal(
        times[columns].reset_index(drop=True), only_times[columns], check_dtype=False
    )


@pytest.mark.parametrize(
    ("other", "collide"),
    [({"dataset": "b", "mode": "legacy", "report_as": "a"}, True),
     ({"dataset": "a", "mode": "legacy"}, True),
     ({"dataset": "a", "mode": "controlled"}, False),
     ({"dataset": "a", "mode": "legacy", "report_as": "c"}, False)],
)  # fmt: skip
def test_reading_times_reported_as_one_dataset_in_one_mode(other, collide):
    benchmarks = {"one": {"dataset": "a", "mode": "legacy"}, "two": other}
    models = model_table(MODELS, [])
    row = {
        "measure": "r", "kind": "all", "group": "all", "low": 0.1, "high": 0.2, "interval": "none",
        "n": 9, "n_dropped": 0, "reason": "", "ceiling": 0.8, "ceiling_method": "none", "note": "",
    }  # fmt: skip
    results = [
        (m, b, pd.DataFrame([row | {"value": 0.1 + 0.2 * (m == "t")}]))
        for m in MODELS
        for b in benchmarks
    ]
    if collide:
        message = "behavior.two: reported as a in legacy mode, as behavior.one is"
        with pytest.raises(InputError, match=message):
            collect_behaviors(results, models, benchmarks, [])
        return
    behaviors = collect_behaviors(results, models, benchmarks, [])["behaviors"]
    pairs = contrasts(behaviors=behaviors).query("level == 'pair'")
    assert pairs["absolute"].to_numpy() == pytest.approx(0.2)
    assert set(pairs["benchmark"]) == {"one", "two"}


def test_planted_gain_is_inside_the_intervals(planted):
    table = contrasts(planted["scores"], planted["subjects"])
    overall = table[(table["level"] == "overall") & (table["unit"] == "pairs")]
    inside = (overall["low"] < 0.01) & (overall["high"] > 0.01)
    assert len(inside) == 8 and inside.sum() >= 6  # 95 % intervals over the same models
    pairs = table[(table["level"] == "pair") & (table["dataset"] == "reading")]
    assert (pairs["n"] == 10).all()
    assert (pairs["unit"] == "subjects").all()
    assert (pairs["low"] <= pairs["absolute"]).all()
    fit = mixed_effects(planted["scores"], planted["subjects"])
    tuned = fit[(fit["term"] == "tuned") & (fit["dataset"] == "average")]
    assert ((tuned["low"] < 0.01) & (tuned["high"] > 0.01)).all()
    assert (tuned["p_these_stimuli"] < 0.05).all()
    assert (tuned["p"].dropna() < 0.05).all()


def cells(planted, model, dataset, mode):
    """r of a model in every subject (rows) and fold (columns)."""
    table = planted["subjects"].query("model == @model and dataset == @dataset and mode == @mode")
    return table[table["fold"] >= 0].pivot(index="subject", columns="fold", values="r")


def test_the_interval_of_a_pair_is_the_crossed_one(planted):
    """Against the mean squares that statsmodels finds, and the formula of the docs."""
    table = contrasts(planted["scores"], planted["subjects"])
    pair = table[(table["tuned"] == "A0-tuned0") & (table["dataset"] == "reading")]
    row = pair.set_index("mode").loc["controlled"]
    names = ("A0-tuned0", "A0")
    difference = np.subtract(*(cells(planted, m, "reading", "controlled") for m in names))
    long = difference.stack().rename("d").reset_index()
    fit = sm.stats.anova_lm(sm.OLS.from_formula("d ~ C(subject) + C(fold)", long).fit())
    subjects, folds, residual = fit["sum_sq"] / fit["df"]
    s, g = difference.shape
    excess = (1 + g / (g - 1)) * max(folds - residual, 0)
    value = max(subjects + excess, folds)
    terms = subjects**2 / (s - 1)
    if excess:
        terms += (1 + g / (g - 1)) ** 2 * (folds**2 / (g - 1) + residual**2 / (s - 1) / (g - 1))
    freedom = max(value**2 / terms, min(s, g) - 1)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(value / (s * g))
    assert row["absolute"] == pytest.approx(difference.to_numpy().mean())
    assert (row["low"], row["high"]) == pytest.approx(
        (row["absolute"] - half, row["absolute"] + half)
    )
    assert (row["n"], row["n_stimuli"], row["scope"]) == (10, 6, "new subjects, new stimuli")
    over_subjects = stats.ttest_1samp(difference.mean(axis=1), 0).pvalue
    assert row["p_these_stimuli"] == pytest.approx(over_subjects)


def test_shuffled_folds_give_no_p_for_new_stimuli(planted):
    table = contrasts(planted["scores"], planted["subjects"])
    legacy = table[table["mode"] == "legacy"]
    assert legacy["p"].isna().all() and (legacy["n_stimuli"] == 0).all()
    assert legacy["scope"].str.endswith("new subjects, these stimuli").all()
    assert legacy["note"].str.contains("no p for new stimuli").all()
    row = legacy[(legacy["tuned"] == "A0-tuned0") & (legacy["dataset"] == "reading")].iloc[0]
    names = ("A0-tuned0", "A0")
    difference = np.subtract(*(cells(planted, m, "reading", "legacy") for m in names)).mean(axis=1)
    test = stats.ttest_1samp(difference, 0)
    assert row["p_these_stimuli"] == pytest.approx(test.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval()))


def test_every_p_is_a_test_of_the_estimate_beside_it(planted):
    """Below .05 where the interval, which is centred on the estimate, leaves out 0."""
    table = contrasts(**planted)
    rows = table[table["low"].notna() & (table["test"] != "mcnemar")]
    np.testing.assert_allclose((rows["low"] + rows["high"]) / 2, rows["absolute"])
    leaves_out = (rows["low"] > 0) | (rows["high"] < 0)
    p = rows["p"].fillna(rows["p_these_stimuli"])
    tested = p.notna()
    assert ((p < 0.05) == leaves_out)[tested].all() and leaves_out[tested].nunique() == 2


def test_a_base_with_several_tuned_models_counts_once_among_bases(planted):
    few = only(planted, ["B0", "B0-tuned0", "B0-tuned1", "B1", "B1-tuned0", "B2", "B2-tuned0"])
    table = contrasts(**few).query("dataset == 'average' and mode == 'controlled'")
    pairs, bases = (
        table[(table["level"] == "overall") & (table["unit"] == unit)].iloc[0]
        for unit in ("pairs", "bases")
    )
    these = table[table["level"] == "pair"]
    assert (pairs["n"], bases["n"]) == (4, 3)
    assert pairs["p_independent"] == stats.wilcoxon(these["absolute"]).pvalue
    assert pairs["absolute"] == pytest.approx(these["absolute"].mean())
    assert bases["absolute"] == pytest.approx(these.groupby("vanilla")["absolute"].mean().mean())
    assert "3 vanilla models: a difference must be large" in bases["note"]


def test_p_of_all_pairs_is_students_over_vanilla_models_where_units_do_not_vary(planted):
    """Accuracy has no subjects: the mean over vanilla models of one family, against its spread."""
    family = planted["capabilities"].query("family == 'A'")
    table = contrasts(capabilities=family).query("dataset == 'facts'")
    row = table[(table["level"] == "overall") & (table["unit"] == "pairs")].iloc[0]
    by_base = table[table["level"] == "pair"].groupby("vanilla")["absolute"].mean()
    assert len(by_base) == 5
    expected = stats.ttest_1samp(by_base, 0)
    assert row["p_these_stimuli"] == pytest.approx(expected.pvalue) and np.isnan(row["p"])
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval()))
    assert row["scope"] == "new vanilla models, these questions"


def test_a_family_with_one_vanilla_model_gives_no_p_over_pairs(planted):
    few = only(planted, ["A0", "A0-tuned0", "A0-tuned1", "B0", "B0-tuned0", "B1", "B1-tuned0"])
    table = contrasts(**few)
    rows = table[(table["unit"] == "pairs") & (table["family"] != "B")]
    assert len(rows) and rows[["p", "p_adjusted", "p_these_stimuli"]].isna().all(axis=None)
    assert rows["note"].str.contains("no p: one vanilla model of A").all()
    assert rows["p_independent"].notna().all() and (rows["test"] == "none").all()
    other = table[(table["unit"] == "pairs") & (table["family"] == "B")]
    assert other["p_these_stimuli"].notna().all()


def scored(tables, models):
    """Average alignment in legacy mode, log10 size, accuracy and vanilla model of some models."""
    scores = tables["scores"].query("mode == 'legacy'")
    facts = scores.drop_duplicates("model").set_index("model").loc[models]
    accuracy = tables["capabilities"].query("category == 'all'").set_index("model")["accuracy"]
    average = dataset_scores(scores).query("dataset == 'average'").set_index("model")["r"]
    base = facts["base"].fillna(facts.index.to_series())
    size = np.log10(facts["parameters"].astype(float))
    return average[models].to_numpy(), size.to_numpy(), accuracy[models].to_numpy(), base.to_numpy()


@pytest.mark.parametrize("group", ["tuned", "all"])
def test_p_of_correlations_is_over_vanilla_models_and_the_papers_beside_it(planted, group):
    table = correlations(planted["scores"], capabilities=planted["capabilities"])
    table = table.query("y == 'brain average' and mode == 'legacy' and models == @group")
    roles = planted["scores"].drop_duplicates("model").set_index("model")["role"]
    models = list(roles.index[roles.isin(["tuned"] if group == "tuned" else ["tuned", "vanilla"])])
    r, size, accuracy, base = scored(planted, models)
    complete = table[table["subset"] == "all"].set_index(["method", "x"])
    for x, selected, other in (("log10_parameters", size, accuracy), ("mmlu", accuracy, size)):
        for method, given, independent in (
            ("pearson", [], stats.pearsonr(selected, r).pvalue),
            ("spearman", [], stats.spearmanr(selected, r).pvalue),
            ("partial", [other], partial(selected, r, [other]).p),
        ):
            row = complete.loc[(method, x)]
            assert row["n_bases"] == 12 < row["n"]
            expected = over_clusters(selected, r, base, given, ranked=method == "spearman")
            assert row["p"] == pytest.approx(expected.p)
            assert row["p_independent"] == pytest.approx(independent)
    pearson = table[table["method"] == "pearson"]
    part = pearson[(pearson["subset"] == "without A") & (pearson["x"] == "mmlu")].iloc[0]
    inside = np.array([not name.startswith("A") for name in base])
    expected = over_clusters(accuracy[inside], r[inside], base[inside]).p
    assert part["p"] == pytest.approx(expected)
    assert (pearson["p"].dropna() != pearson.loc[pearson["p"].notna(), "p_independent"]).all()
    for p in ("p", "p_independent"):
        family = complete[
            complete["test_family"] == complete.loc[("pearson", "mmlu"), "test_family"]
        ]
        adjusted = stats.false_discovery_control(family[p])
        np.testing.assert_allclose(family[f"{p}_adjusted"], adjusted)


def test_where_no_models_share_a_vanilla_one_both_p_are_the_classical_test(planted):
    single = [name for name in planted["scores"]["model"].unique() if name.endswith("tuned0")]
    few = only(planted, single)
    table = correlations(few["scores"], capabilities=few["capabilities"])
    tuned = table[table["models"] == "tuned"]
    assert (tuned["n_bases"] == tuned["n"]).all() and tuned["p"].notna().any()
    np.testing.assert_array_equal(tuned["p"], tuned["p_independent"])
    r, size, _, _ = scored(few, single)
    row = tuned.query("y == 'brain average' and mode == 'legacy' and x == 'log10_parameters'")
    row = row[row["subset"] == "all"].set_index("method")["p"]
    assert row["pearson"] == pytest.approx(stats.pearsonr(size, r).pvalue)
    assert row["spearman"] == pytest.approx(stats.spearmanr(size, r).pvalue)


def test_too_few_vanilla_models_give_no_p_and_say_so(planted):
    few = only(planted, ["A0-tuned0", "A0-tuned1", "A1-tuned0", "A1-tuned1"])
    table = correlations(few["scores"], capabilities=few["capabilities"])
    rows = table[(table["models"] == "tuned") & (table["method"] == "pearson")]
    assert rows["p"].isna().all() and rows["p_independent"].notna().all()
    assert set(rows["note"]) == {"no p: jackknife over vanilla models, 2 clusters, 3 are needed"}


@pytest.mark.parametrize(("r", "low"), [(-0.01, -0.02), (0.02, -0.01), (0.02, np.nan)])
def test_there_is_no_relative_change_where_a_pair_lacks_one(planted, r, low):
    scores = planted["scores"].copy()
    row = (scores["model"] == "A0") & (scores["dataset"] == "reading")
    scores.loc[row, ["r", "low"]] = r, low
    table = contrasts(scores, planted["subjects"]).query("mode == 'controlled'")
    means = table[(table["level"] == "overall") & (table["dataset"] == "reading")]
    assert means["relative"].isna().all() and means["absolute"].notna().all()
    assert means["note"].str.contains("no relative change: 2 of 24 pairs").all()
    average = table[(table["level"] == "overall") & (table["dataset"] == "average")]
    assert average[["relative", "relative_by_dataset"]].isna().all(axis=None)
    pairs = table.query("level == 'pair' and dataset == 'reading'").set_index("tuned")
    assert set(pairs.index[pairs["relative"].isna()]) == {"A0-tuned0", "A0-tuned1"}
    other = table[(table["level"] == "family") & (table["dataset"] == "reading")]
    assert other.set_index("family").loc["B", "relative"].notna().all()


def test_adjustment_stays_inside_its_family(planted):
    both = contrasts(planted["scores"], planted["subjects"])
    legacy = planted["scores"]["mode"] == "legacy"
    alone = contrasts(planted["scores"][legacy], planted["subjects"])
    merged = alone.merge(
        both[both["mode"] == "legacy"], on=["tuned", "dataset", "level", "unit", "family"]
    )
    np.testing.assert_allclose(merged["p_adjusted_x"], merged["p_adjusted_y"])


def test_real_and_simulated_models_never_meet(planted):
    real = planted["scores"].assign(simulated=False)
    real["model"] = "real-" + real["model"]
    real["base"] = "real-" + real["base"]
    both = pd.concat([planted["scores"], real])
    mixed = correlations(both)
    alone = correlations(planted["scores"])
    simulated = mixed[mixed["simulated"]].reset_index(drop=True)
    np.testing.assert_allclose(simulated["r"], alone["r"])
    assert (simulated["n"] == alone["n"]).all()
    assert set(mixed["simulated"]) == {True, False}


def test_benchmarks_of_one_dataset_are_averaged_first():
    scores = pd.DataFrame(
        [
            ("m", "Pereira", "a-243", 0.2), ("m", "Pereira", "b-384", 0.4),
            ("m", "Blank", "c", 0.1),
            ("k", "Pereira", "a-243", 0.3), ("k", "Blank", "c", 0.1),
        ],
        columns=["model", "dataset", "benchmark", "r"],
    ).assign(low=0.0, mode="legacy", simulated=False, region="all", companion=False)  # fmt: skip
    table = dataset_scores(scores).set_index(["model", "dataset"])
    assert table.loc[("m", "Pereira"), "r"] == pytest.approx(0.3)
    assert table.loc[("m", "average"), "r"] == pytest.approx(0.2)
    assert np.isnan(table.loc[("k", "average"), "r"])
    assert table.loc[("k", "average"), "note"] == "not computable: no score for b-384"


def only(tables, models):
    return {name: table[table["model"].isin(models)] for name, table in tables.items()}


@pytest.mark.parametrize(
    "models",
    [
        ["A0"],
        ["A0", "A1", "B0"],
        ["A0-tuned0"],
        ["A0", "A0-tuned0"],
        ["A0", "A0-tuned0", "A1", "A1-tuned0"],
        ["A0-tuned0", "A1-tuned0", "A2-tuned0", "A3-tuned0"],
    ],
    ids=["one model", "no pair", "no partner", "one pair", "one family", "no partners"],
)
def test_small_studies_say_why_and_do_not_crash(planted, models):
    few = only(planted, models)
    table = contrasts(**few)
    assert (table["p"].notna() | (table["note"] != "")).all()
    table = correlations(few["scores"], capabilities=few["capabilities"])
    undefined = table["r"].isna()
    assert table.loc[undefined, "note"].str.startswith("not computable: ").all()
    without = table["p"].isna() & ~undefined
    assert table.loc[without, "note"].str.startswith("no p: ").all()
    related = table["n_families"].between(2, table["n_bases"] - 1)
    related &= (table["method"] != "within families") & table["p"].notna()
    assert table.loc[related, "note"].str.contains("families as independent").all()
    assert (table.loc[table["p"].notna() & ~related, "note"] == "").all()
    fit = mixed_effects(few["scores"], few["subjects"])
    assert (fit["estimate"].notna() | fit["note"].str.startswith("not computable: ")).all()
    against_baselines(few["scores"], few["subjects"])


def test_size_in_the_mixed_model_is_the_regression_over_vanilla_models(planted):
    scores = planted["scores"].query("mode == 'controlled'")
    scores = scores[scores["model"] != "A1-tuned1"]  # clusters of unequal size
    fit = mixed_effects(scores, planted["subjects"].iloc[:0])  # no units: models alone
    assert set(fit["scope"]) == {"new vanilla models, these subjects, these stimuli"}
    row = fit.query("term == 'log10_parameters' and dataset == 'reading'").iloc[0]
    r = scores[scores["dataset"] == "reading"].set_index("model")
    names = dict.fromkeys(r["base"].dropna())
    middle = [(r["r"][name] + r["r"][r["base"] == name].mean()) / 2 for name in names]
    size = np.log10([r["parameters"][name] for name in names])
    truth = sm.OLS(middle, sm.add_constant(size)).fit()
    result = row[["estimate", "se", "t", "p_these_stimuli", "df"]]
    assert tuple(result) == pytest.approx(
        (truth.params[1], truth.bse[1], truth.tvalues[1], truth.pvalues[1], truth.df_resid)
    )
    assert (row["low"], row["high"]) == pytest.approx(tuple(truth.conf_int()[1]))
    assert row["n_bases"] == len(names) == 12


def test_size_is_left_out_where_vanilla_models_are_of_one_size(planted):
    scores = planted["scores"]
    tuned = scores["role"] == "tuned"
    sizes = np.where(tuned, 1.01e8, 1e8)
    fit = mixed_effects(scores.assign(parameters=sizes), planted["subjects"])
    assert set(fit["term"]) == {"Intercept", "tuned"}
    assert (fit["p"].notna() == (fit["mode"] == "controlled")).all()
    assert fit["p_these_stimuli"].notna().all()


def test_a_missing_partner_is_named(planted):
    table = contrasts(**only(planted, ["A0-tuned0", "A1", "A1-tuned0"]))
    rows = table[table["tuned"] == "A0-tuned0"]
    assert (rows["note"].str.contains("no score of A0")).all()
    assert rows["absolute"].isna().all()
    overall = table[(table["level"] == "overall") & (table["measure"] == "r")]
    assert overall["note"].str.startswith("1 of 2 pairs left out").all()


def test_a_tuned_model_without_a_partner_in_the_study_is_in_no_contrast(planted):
    few = only(planted, ["A0", "A0-tuned0", "A1-tuned0"])
    for table in few.values():
        table.loc[table["model"] == "A1-tuned0", "base"] = None
    table = contrasts(**few)
    assert set(table.loc[table["level"] == "pair", "tuned"]) == {"A0-tuned0"}
    fit = mixed_effects(few["scores"], few["subjects"])
    assert (fit["note"].str.startswith("not computable: ")).all()
    actual = correlations(few["scores"], capabilities=few["capabilities"])
    assert set(actual.loc[actual["models"] == "tuned", "n"]) == {2}


def test_a_note_on_a_value_that_is_there_hides_no_interval(planted):
    times = reading_times(planted["scores"])
    plain = contrasts(**times)
    times["behaviors"] = times["behaviors"].assign(note="no ceiling: only means")
    table = contrasts(**times)
    assert not table["note"].str.contains("ceiling").any()
    pd.testing.assert_frame_equal(table, plain)


def test_a_missing_benchmark_leaves_out_only_its_rows(planted):
    scores = planted["scores"]
    gone = (scores["model"] == "A0") & (scores["benchmark"] == "reading-legacy")
    table = contrasts(scores[~gone], planted["subjects"])
    pair = table[(table["tuned"] == "A0-tuned0") & (table["mode"] == "legacy")].set_index("dataset")
    assert np.isnan(pair.loc["reading", "absolute"])
    assert "reading-legacy" in pair.loc["reading", "note"]
    assert np.isnan(pair.loc["average", "absolute"])
    all_rows = contrasts(scores, planted["subjects"])
    all_rows = all_rows[(all_rows["tuned"] == "A0-tuned0") & (all_rows["mode"] == "legacy")]
    expected = all_rows.set_index("dataset").loc["chapter", "absolute"]
    assert not np.isnan(expected)
    assert pair.loc["chapter", "absolute"] == expected


@pytest.mark.parametrize("value", [0.1, 0.0])
def test_constant_and_tied_scores(planted, value):
    flat = planted["scores"].assign(r=value)
    subjects = planted["subjects"].assign(r=value)
    table = contrasts(flat, subjects)
    assert table["p"].isna().all()
    controlled = table["mode"] == "controlled"
    assert table.loc[controlled, "note"].str.contains("no p: the differences do not vary").all()
    measured = correlations(flat, capabilities=planted["capabilities"])
    brain = measured[(measured["y"] == "brain average") & (measured["models"] == "tuned")]
    assert brain["r"].isna().all()
    assert brain["note"].str.contains("constant|explained|needed").all()
    assert mixed_effects(flat, subjects)["note"].str.contains("all scores are alike").all()


def test_a_study_without_scores_or_capability(planted):
    assert contrasts(capabilities=planted["capabilities"])["measure"].eq("accuracy").all()
    assert correlations(planted["scores"])["x"].eq("log10_parameters").all()
    assert len(correlations()) == 0


def test_baselines_are_paired_in_every_subject_and_fold(planted):
    scores, subjects = planted["scores"].copy(), planted["subjects"].copy()
    for table in (scores, subjects):
        table.loc[table["model"] == "A0", "role"] = "baseline"
    table = against_baselines(scores, subjects)
    assert set(table["against"]) == {"A0"}
    assert "A0" not in set(table["model"])
    # A baseline in the vanilla model's stead: the very difference of the contrasts.
    seen = table.set_index(["model", "benchmark"])
    pairs = contrasts(planted["scores"], planted["subjects"]).query("tuned == 'A0-tuned0'")
    pairs = pairs[(pairs["dataset"] != "average") & (pairs["kind"] == "brain")]
    for row in pairs.to_dict("records"):
        same = seen.loc[("A0-tuned0", f"{row['dataset']}-{row['mode']}")]
        assert same["difference"] == pytest.approx(row["absolute"])
        for name in ("low", "high", "p", "p_these_stimuli"):
            assert same[name] == pytest.approx(row[name], nan_ok=True)
        assert same["scope"] == row["scope"]


def curve(values, mode, dataset="D"):
    n = len(values)
    return pd.DataFrame(
        {
            "model": "m", "family": "F", "role": "vanilla", "dataset": dataset,
            "benchmark": f"{dataset}-{mode}", "mode": mode,
            "layer": [f"layer.{i}" for i in range(n)],
            "depth": np.linspace(0, 1, n), "r": values, "simulated": False,
        }
    )  # fmt: skip


def test_profiles_find_the_best_layers_and_their_correlation():
    legacy, controlled = [0.5, 0.4, 0.3, 0.1], [0.05, 0.1, 0.2, 0.3]
    layers = pd.concat([curve(legacy, "legacy"), curve(controlled, "controlled")])
    row = layer_profiles(layers).iloc[0]
    assert (row["legacy_depth"], row["controlled_depth"]) == (0, 1)
    assert row["controlled_r_at_legacy"] == 0.05
    assert row["correlation"] == pytest.approx(np.corrcoef(legacy, controlled)[0, 1])
    assert layer_profiles(curve(legacy, "legacy")).empty
    both = [layers.assign(model="n"), curve([0.1, 0.2, 0.5, 0.1], "legacy").assign(model="o")]
    both += [layers, curve([0.1, 0.2, 0.1, 0.1], "controlled").assign(model="o")]
    every = layer_profiles(pd.concat(both)).set_index("model").loc["all"]
    assert every["n_models"] == 3
    assert every["legacy_depth"] == pytest.approx((0 + 0 + 2 / 3) / 3)
    assert every["correlation"] == pytest.approx(np.corrcoef([0, 0, 2 / 3], [1, 1, 1 / 3])[0, 1])
    flat = pd.concat([curve([0.1, 0.1, 0.1], "legacy"), curve([0.1, 0.2, 0.3], "controlled")])
    assert layer_profiles(flat).iloc[0]["note"] == "not computable: x is constant"


def test_a_bound_of_a_ceiling_gives_no_ratio_and_a_count_of_tokens_no_loss():
    count = {"base": None, "family": None, "role": "baseline", "simulated": False}
    models = model_table({**MODELS, "tokens": count}, [])
    row = {
        "kind": "all", "group": "all", "value": 0.2, "low": 0.1, "high": 0.3, "interval": "none",
        "n": 9, "n_dropped": 0, "reason": "", "ceiling": 0.8, "note": "",
    }  # fmt: skip
    methods = {
        "r": "split-half", "partial_r": "at least root of analytic", "abs_r": "weak root of it",
        "mean_bits": "",
    }  # fmt: skip
    fit = pd.DataFrame([{**row, "measure": m, "ceiling_method": how} for m, how in methods.items()])
    benchmarks = {"one": {"dataset": "a", "mode": "controlled"}}
    results = [(model, "one", fit) for model in models.index]
    table = collect_behaviors(results, models, benchmarks, [])["behaviors"]
    ratios = table.set_index(["model", "measure"])["ratio"]
    assert ratios["v", "r"] == pytest.approx(0.25)
    assert np.isnan(ratios["v", "partial_r"]) and np.isnan(ratios["v", "abs_r"])
    assert ("v", "mean_bits") in ratios.index
    assert ("tokens", "mean_bits") not in ratios.index


def published_reading_times(published, repository):
    """behaviors.csv whose legacy |r| / ceiling is the published one + .01, ceiling .858."""
    study = yaml.safe_load((repository / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    known = published[published["futrell2018"].notna()].set_index("model", drop=False)
    models = known[["model", "base", "family", "role", "parameters"]].assign(
        label=known.index, published=None, simulated=False
    )
    results = [
        (name, benchmark, pd.DataFrame([{
            "measure": "abs_r" if entry["mode"] == "legacy" else "partial_r", "kind": "all",
            "group": "all", "value": (row["futrell2018"] + 0.01) * 0.858, "low": 0.1, "high": 0.2,
            "interval": "stories", "n": 9, "n_dropped": 0, "reason": "", "ceiling": 0.858,
            "ceiling_method": "split-half", "note": "",
        }]))
        for name, row in known.iterrows()
        for benchmark, entry in study["behavior"].items()
    ]  # fmt: skip
    return collect_behaviors(results, models, study["behavior"], [])["behaviors"]


def test_measured_models_meet_their_published_selves(published, paper, repository):
    scores = paper["scores"].assign(r=paper["scores"]["r"] + 0.002)
    times = published_reading_times(published, repository)
    table = measured_beside_published(published, scores, times, paper["capabilities"])
    brain = table[table["dataset"].isin(BRAIN)]
    assert len(brain) == 75
    np.testing.assert_allclose(brain["difference"], 0.002)
    assert brain["within_interval"].all()
    mmlu = table[table["dataset"] == "mmlu"]
    assert len(mmlu) == 17
    np.testing.assert_allclose(mmlu["difference"], 0)
    reading = table[table["dataset"] == "futrell2018"].set_index("model")
    known = published.set_index("model")["futrell2018"].dropna()
    assert set(reading.index) == set(known.index) and len(reading) == len(known) > 0
    np.testing.assert_allclose(reading["published"], known[reading.index])
    np.testing.assert_allclose(reading["difference"], 0.01)
    np.testing.assert_allclose(reading["low"], 0.1 / 0.858)
    renamed = scores[scores["model"] == "llama-7b"].assign(model="mine", published="llama-7b")
    assert set(measured_beside_published(published, renamed)["published_model"]) == {"llama-7b"}
    assert measured_beside_published(published, scores.assign(simulated=True)).empty


@pytest.mark.parametrize(
    ("change", "compared"),
    [(None, True), ("wehbe2014", False), ("tuckute2024", False)],
    ids=["the paper's three", "one is lacking", "one more"],
)
def test_an_average_is_compared_only_over_the_papers_datasets(published, paper, change, compared):
    scores = paper["scores"]
    if change in BRAIN:
        scores = scores[scores["dataset"] != change]
    elif change:
        more = scores[scores["dataset"] == "wehbe2014"].assign(dataset=change, benchmark=change)
        scores = pd.concat([scores, more])
    table = measured_beside_published(published, scores)
    assert ("average" in set(table["dataset"])) == compared
    assert {"pereira2018", "blank2014"} <= set(table["dataset"])


def with_companion(scores, subjects, of="blank2014"):
    """The tables, and a companion of one dataset in which the models' ranks are turned round."""
    more = scores[scores["dataset"] == of].assign(companion=True)
    more = more.assign(r=-more["r"], low=-more["high"], high=-more["low"])
    units = subjects[subjects["dataset"] == of]
    units = units.assign(r=-units["r"])
    name = {"dataset": f"{of} (64 units)", "benchmark": f"{of}-64"}
    return pd.concat([scores, more.assign(**name)]), pd.concat([subjects, units.assign(**name)])


def test_a_companion_changes_no_average_contrast_correlation_or_comparison(published, paper):
    scores = paper["scores"]
    more, _ = with_companion(scores, paper["subjects"])
    pd.testing.assert_frame_equal(dataset_scores(more), dataset_scores(scores))
    shown = [measured_beside_published(published, table) for table in (more, scores)]
    pd.testing.assert_frame_equal(*shown)
    assert "average" in set(shown[0]["dataset"])
    shown = [correlations(table, capabilities=paper["capabilities"]) for table in (more, scores)]
    pd.testing.assert_frame_equal(*shown)


def test_a_companion_changes_no_test_over_subjects_and_stimuli():
    tables = study(Plant(), np.random.default_rng(0))
    scores, subjects = tables["scores"], tables["subjects"]
    more = with_companion(scores, subjects, scores["dataset"].iloc[0])
    for analysis in (contrasts, mixed_effects):
        pd.testing.assert_frame_equal(analysis(*more), analysis(scores, subjects))


@pytest.mark.parametrize("change", [{"scoring": "loglikelihood"}, {"n": 300}])
def test_accuracies_of_another_scoring_or_of_few_questions_are_not_compared(
    published, paper, change
):
    table = measured_beside_published(published, capabilities=paper["capabilities"])
    assert set(table["dataset"]) == {"mmlu"}
    other = paper["capabilities"].assign(**change)
    assert measured_beside_published(published, capabilities=other).empty


# The tables of alignment files, and the scripts around them -------------------------------------


SPREAD = {"s1": -0.1, "s2": 0.1, "s3": 0.0}  # subject → its r less the mean


def alignment_table(r=0.3, chosen="layer.1"):
    rows = []
    for index, layer in enumerate(("embedding", "layer.1")):
        for region in ("all", "LH"):
            for subject, fold, value in (
                ("all", -1, r), ("s1", -1, r - 0.1), ("s2", -1, r + 0.1), ("s3", -1, r),
                ("all", 0, r - 0.05), ("all", 1, r + 0.05),
                *((s, k, r + d + e / 20) for s, d in SPREAD.items() for k, e in enumerate((-1, 1))),
            ):  # fmt: skip
                rows.append((layer, index, index / 1, subject, region, fold, value + index / 10))
    columns = ["layer", "layer_index", "depth", "subject", "region", "fold", "r"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(
        r_sd=0.05, r_stacked=0.1, r2=0.01, **dict.fromkeys(OF_CHOSEN, np.nan), beyond="",
        n_targets=7, n_undefined=0, alpha=1.0, alpha_at_edge=0.0, units_per_row=0.5,
        reduction="",
        chosen=table["layer"] == chosen,
    )  # fmt: skip


def ceiling_table(value=0.5):
    return pd.DataFrame(
        {
            "target_id": ["all", "all", "t1"], "subject": "all", "region": ["all", "LH", "LH"],
            "ceiling": [value, 0.0, 0.2], "low": 0.1, "high": 0.6, "method": "extrapolation",
            "note": ["", "weak: the ceiling is not above 0", ""],
        }
    )  # fmt: skip


MODELS = {
    "v": {"base": None, "family": "F", "role": "vanilla", "label": "V", "parameters": None,
          "published": None, "simulated": True},
    "t": {"base": "v", "family": "F", "role": "tuned", "label": "T", "parameters": 5e6,
          "published": None, "simulated": True},
}  # fmt: skip
BENCHMARKS = {
    "b-legacy": {"dataset": "d", "mode": "legacy", "layers": "best", "report_as": "D"},
    "b-controlled": {"dataset": "d", "mode": "controlled", "layers": {"depth": 0.66}},
}


def test_a_weak_ceiling_has_no_ratio():
    models = model_table(MODELS, [{"name": "v", "parameters": 123}, {"name": "t", "parameters": 9}])
    results = [("v", b, alignment_table()) for b in BENCHMARKS]
    weak = {"b-legacy": ceiling_table().assign(note="weak: the interval holds 0")}
    scores = collect_scores(results, weak, models, BENCHMARKS, [])["scores"]
    scores = scores.set_index(["benchmark", "region"])
    row = scores.loc[("b-legacy", "all")]
    assert (row["ceiling"], row["ceiling_method"]) == (0.5, "extrapolation")
    assert row["ceiling_note"] == "weak: the interval holds 0"
    assert np.isnan(row["ratio"])
    row = scores.loc[("b-controlled", "all")]
    assert (row["ceiling_method"], row["ceiling_note"]) == ("none", "")


def test_similarities_have_their_measure_and_a_table_apart():
    models = model_table(MODELS, [{"name": "v", "parameters": 123}])
    regressions = [
        {"type": "rsa"}, {"type": "cka"}, {"type": "cka", "estimator": "biased"},
    ]  # fmt: skip
    benchmarks = {
        f"s{i}": {"dataset": "d", "mode": "legacy", "layers": "best", "regression": regression}
        for i, regression in enumerate(regressions)
    }
    drawn = alignment_table().assign(r_null=0.02, r_p=0.05)
    table = collect_similarities([("v", b, drawn) for b in benchmarks], models, benchmarks, [])
    at_once = table[table["region"] == "all"]
    assert list(at_once["measure"]) == ["rsa", "cka", "cka-biased"]
    assert not {"r", "ratio"} & set(table.columns)
    assert set(at_once["value"]) == {0.4}
    assert set(at_once["null"]) == {0.02}
    assert set(at_once["p_permutation"]) == {0.05}
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert at_once[["low", "high"]].to_numpy() == pytest.approx(
        np.tile([0.4 - half, 0.4 + half], (3, 1))
    )


def test_scores_keep_r_ceiling_and_ratio_apart():
    models = model_table(MODELS, [{"name": "v", "parameters": 123}, {"name": "t", "parameters": 9}])
    results = [(m, b, alignment_table()) for m in MODELS for b in BENCHMARKS]
    tables = collect_scores(results, {"b-legacy": ceiling_table()}, models, BENCHMARKS, [])
    scores = tables["scores"].set_index(["model", "benchmark", "region"])
    row = scores.loc[("v", "b-legacy", "all")]
    assert (row["r"], row["ceiling"], row["ratio"]) == (0.4, 0.5, pytest.approx(0.8))
    assert (row["layer"], row["depth"], row["layer_choice"]) == ("layer.1", 1, "best")
    assert (row["dataset"], row["n_subjects"], row["n_stimuli"]) == ("D", 3, 0)
    assert row["scope"] == "new subjects, these stimuli"
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)  # over subjects, centred on the score
    assert (row["low"], row["high"]) == pytest.approx((0.4 - half, 0.4 + half))
    assert row["parameters"] == 123
    assert scores.loc[("t", "b-legacy", "all"), "parameters"] == 5e6
    assert np.isnan(scores.loc[("v", "b-legacy", "LH"), "ratio"])
    other = scores.loc[("v", "b-controlled", "all")]
    assert np.isnan(other["ceiling"])
    assert other["dataset"] == "d"
    assert other["layer_choice"] == "depth 0.66"
    subjects = tables["subjects"]
    assert len(subjects) == 4 * (3 + 2 + 3 * 2)
    assert set(subjects["subject"]) == {"s1", "s2", "s3", "all"}
    layers = tables["layers"]
    assert len(layers) == 4 * 2
    assert layers["r_sd_subjects"].to_numpy() == pytest.approx(0.1)


def test_a_single_subject_has_an_interval_over_held_out_groups_only():
    rows = [("all", -1, 0.3), ("s1", -1, 0.3), *(("s1", k, 0.3 + k / 100) for k in range(-2, 3))]
    rows = [(s, k + 2 if i > 1 else k, r) for i, (s, k, r) in enumerate(rows)]
    table = alignment_table().iloc[:1].drop(columns=["subject", "fold", "r"])
    table = table.assign(chosen=True).merge(
        pd.DataFrame(rows, columns=["subject", "fold", "r"]), how="cross"
    )
    models = model_table(MODELS, [])
    by_scheme = {}
    for scheme in ("shuffled", "grouped", "contiguous"):
        benchmarks = {"b": {**BENCHMARKS["b-legacy"], "split": {"scheme": scheme}}}
        scores = collect_scores([("v", "b", table)], {}, models, benchmarks, ["d"])["scores"]
        assert scores["simulated"].all()
        by_scheme[scheme] = scores.iloc[0]
    assert by_scheme["shuffled"][["low", "high"]].isna().all()
    assert by_scheme["shuffled"]["scope"] == "these subjects, these stimuli"
    assert by_scheme["grouped"]["scope"] == "these subjects, new stimuli"
    assert by_scheme["contiguous"]["scope"] == "these subjects, new blocks"
    # Nadeau and Bengio's corrected t over folds.
    error = np.sqrt((1 / 5 + 1 / 4) * np.var([-0.02, -0.01, 0, 0.01, 0.02], ddof=1))
    half = stats.t.ppf(0.975, 4) * error
    assert by_scheme["grouped"]["high"] == pytest.approx(0.3 + half)


def test_a_real_model_on_a_simulated_dataset_is_simulated():
    models = model_table({"v": {**MODELS["v"], "simulated": False}}, [])
    for datasets, expected in (([], False), (["d"], True)):
        tables = collect_scores(
            [("v", "b-legacy", alignment_table())], {}, models, BENCHMARKS, datasets
        )
        assert (tables["scores"]["simulated"] == expected).all()


def test_rows_do_not_depend_on_other_rows():
    models = model_table(MODELS, [])
    results = [(m, "b-legacy", alignment_table(r)) for m, r in (("v", 0.3), ("t", 0.35))]
    both = collect_scores(results, {}, models, BENCHMARKS, [])["scores"]
    alone = collect_scores(results[1:], {}, models, BENCHMARKS, [])["scores"]
    pd.testing.assert_frame_equal(
        both[both["model"] == "t"].reset_index(drop=True), alone.reset_index(drop=True)
    )


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (("v", "b-legacy", alignment_table(chosen="none")), "no row of a chosen layer"),
        (("x", "b-legacy", alignment_table()), "model x has a result but is not in the study"),
        (("v", "nope", alignment_table()), "benchmark nope has a result"),
    ],
)
def test_files_that_do_not_fit_the_study(result, message):
    with pytest.raises(InputError, match=message):
        collect_scores([result], {}, model_table(MODELS, []), BENCHMARKS, [])


class Named(dict):
    """Named files as Snakemake hands them over: by attribute, item and order."""

    __getattr__ = dict.__getitem__


def run_script(repository: Path, name: str, folder: Path, inputs: Named, outputs: Named, **params):
    given = SimpleNamespace(
        input=inputs, output=outputs, params=Named(params), log=[str(folder / f"{name}.log")]
    )
    runpy.run_path(str(repository / "scripts" / f"{name}.py"), init_globals={"snakemake": given})


def test_scripts_run_from_files_to_tables(repository, tmp_path):
    files = [{"model": m, "benchmark": b} for m in MODELS for b in BENCHMARKS]
    alignment = []
    for i, file in enumerate(files):
        path = tmp_path / file["model"] / f"{file['benchmark']}.parquet"
        write_table(alignment_table(0.3 + i / 50), path)
        alignment.append(str(path))
    ceilings = [str(tmp_path / "ceilings" / f"{b}.parquet") for b in BENCHMARKS]
    for path in ceilings:
        write_table(ceiling_table(), path)
    manifests = [str(tmp_path / f"{m}.json") for m in MODELS]
    for name, path in zip(MODELS, manifests, strict=True):
        write_json({"name": name, "parameters": 1000}, path)

    def table(name):
        return str(tmp_path / "tables" / f"{name}.csv")

    run_script(
        repository, "scores", tmp_path,
        Named(alignment=alignment, ceilings=ceilings, manifests=manifests),
        Named({n: table(n) for n in ("scores", "subjects", "layers")}),
        files=files, models=MODELS, benchmarks=BENCHMARKS, simulated_datasets=["d"],
    )  # fmt: skip
    both = Named(scores=table("scores"), subjects=table("subjects"))
    for name, inputs in (
        ("contrasts", both),
        ("correlations", Named(scores=table("scores"))),
        ("baselines", both),
        ("mixed_effects", both),
        ("profiles", Named(layers=table("layers"))),
    ):
        run_script(
            repository,
            name,
            tmp_path,
            inputs,
            Named({name: table(name)}),
        )
    folder = repository / "resources" / "published"
    run_script(
        repository, "measured_published", tmp_path,
        Named(published=str(folder / "models.csv"), scores=table("scores")),
        Named(measured_published=table("measured_published")),
    )  # fmt: skip
    pair = read_table(table("contrasts"))
    pair = pair[(pair["level"] == "pair") & (pair["dataset"] == "D")].iloc[0]
    assert pair["absolute"] == pytest.approx(0.04)
    assert read_table(table("correlations"))["note"].str.startswith("not computable").any()
    assert len(read_table(table("mixed_effects"))) > 0
    for name in ("contrasts", "profiles", "measured_published", "baselines"):
        assert read_table(table(name)).columns.is_unique


def test_next_word_losses_become_a_correlate(planted):
    models = model_table(MODELS, [])
    record = {"bits_per_word": 7.5, "bits_per_byte": 1.5, "tokens": 9, "model": "elsewhere"}
    losses = collect_losses([("v", "wikitext2", record)], models)
    assert losses[["model", "text", "bits_per_word"]].iloc[0].tolist() == ["v", "wikitext2", 7.5]
    names = planted["scores"]["model"].unique()
    rng = np.random.default_rng(0)
    losses = pd.DataFrame({"model": names, "text": "t"})
    losses["bits_per_byte"] = rng.normal(size=len(names))
    losses["bits_per_word"] = rng.normal(size=len(names))  # words differ in length, bytes do not
    table = correlations(planted["scores"], losses=losses)
    assert set(table["x"]) == {"log10_parameters", "bits_per_byte t"}
    row = table[(table["x"] == "bits_per_byte t") & (table["y"] == "brain average")]
    row = row[(row["models"] == "tuned") & (row["method"] == "pearson")].iloc[0]
    assert row["n"] == 24
    assert "size, loss, reading" in row["test_family"]
    averages = dataset_scores(planted["scores"][planted["scores"]["role"] == "tuned"])
    averages = averages[(averages["dataset"] == "average") & (averages["mode"] == row["mode"])]
    merged = averages.merge(losses, on="model")
    assert row["r"] == pytest.approx(np.corrcoef(merged["r"], merged["bits_per_byte"])[0, 1])
