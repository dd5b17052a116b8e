"""The figures show the tables' numbers, and can be read: no text over another, none cut off.

Every figure is drawn once for all that is asked of it.
"""

import itertools
import re

import figure_tables as tables
import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.averages import dataset_scores
from brainalign.analysis.contrasts import contrasts as contrasts_of
from brainalign.analysis.correlations import correlations as correlations_of
from brainalign.analysis.mixed_effects import mixed_effects as mixed_effects_of
from brainalign.analysis.wording import p_text, r_text
from brainalign.errors import InputError
from brainalign.figures.alignment import alignment
from brainalign.figures.baselines import baselines
from brainalign.figures.behavior import behavior
from brainalign.figures.correlates import correlates
from brainalign.figures.improvement import improvement
from brainalign.figures.layer_curves import layer_curves
from brainalign.figures.legacy_controlled import legacy_controlled
from brainalign.figures.measured_published import measured_published
from brainalign.figures.mixed_effects import mixed_effects
from brainalign.figures.order import model_order
from brainalign.figures.published import published
from brainalign.figures.reading_loss import reading_loss
from brainalign.figures.reading_measures import reading_measures
from brainalign.figures.reading_profiles import reading_profiles
from brainalign.figures.regions import regions
from brainalign.figures.style import (
    COLOUR,
    PAGE,
    baseline_looks,
)
from brainalign.figures.target_contrasts import target_contrasts
from brainalign.figures.training import training
from brainalign.figures.trajectory import trajectory
from figure_checks import collisions, cut_off, panels, said, texts, words
from figure_gallery import CASES, drawn, strictly_drawing
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.text import Text


@pytest.fixture(autouse=True)
def style():
    with strictly_drawing():
        yield


def points(axes):
    """(x, y, colour) of every marker of a panel that no line joins to others."""
    markers = {
        (float(x), float(y), line.get_color())
        for line in axes.lines
        for x, y in line.get_xydata()
        if len(line.get_xdata()) == 1 or line.get_linestyle() == "None"
    }
    for dots in axes.collections:
        if isinstance(dots, PathCollection):
            colours = [to_hex(colour).upper() for colour in dots.get_facecolors()]
            markers |= {
                (float(x), float(y), colour)
                for (x, y), colour in zip(dots.get_offsets(), colours, strict=True)
            }
    return markers


def test_alignment_draws_every_score_in_its_role_s_colour():
    scores = tables.scores()
    figure = drawn("alignment")
    full = scores[scores["region"] == "all"]
    rows = full[full["benchmark"] == "passages-legacy"].set_index("model")
    order = model_order(full)
    expected = {
        (rows.loc[m.model, "r"], float(i), COLOUR[m.role]) for i, m in enumerate(order.itertuples())
    }
    assert points(figure.axes[0]) == expected


def test_alignment_draws_the_ceiling():
    figure = drawn("alignment")
    upright = [line.get_xdata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert any(np.allclose(x, 0.36) for x in upright)


def test_modes_of_a_dataset_share_their_scale():
    figure = drawn("alignment")
    legacy, controlled = figure.axes[:2]
    assert legacy.get_xlim() == controlled.get_xlim()


def test_order_keeps_a_tuned_model_under_its_base():
    order = model_order(tables.scores(tables.LARGE))
    names = list(order["model"])
    for row in tables.models(tables.LARGE).query("role == 'tuned'").itertuples():
        between = names[names.index(row.base) + 1 : names.index(row.model)]
        assert all(name.startswith(f"{row.base}-tuned") for name in between)
    assert set(order["role"].tail(3)) == {"baseline"}


def test_order_does_not_depend_on_the_table_s_order():
    table = tables.scores(tables.LARGE)
    shuffled = table.sample(frac=1, random_state=3)
    assert list(model_order(table)["model"]) == list(model_order(shuffled)["model"])


def test_layer_curves_draw_the_profile_and_the_baselines():
    layers = tables.layers()
    axes = drawn("layer_curves").axes[0]  # the smallest model's row, the first benchmark
    rows = layers[(layers["benchmark"] == "passages-legacy") & (layers["model"] == "sim-gpt-a")]
    curves = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == len(rows)]
    assert any(np.allclose(y, rows["r"]) for y in curves)
    for name in ("oasm", "position", "length"):
        part = layers.query(f"benchmark == 'passages-legacy' and model == '{name}'")["r"].iloc[0]
        levels = [line for line in axes.lines if line.get_color() == COLOUR["baseline"]]
        assert any(np.allclose(line.get_ydata(), part) for line in levels)


def test_layer_curves_name_every_network_beside_its_row_in_another_marker():
    figure = drawn("layer_curves", "large")
    named = {t.get_text(): t.get_color() for axes in figure.axes for t in axes.texts}
    networks = tables.models(tables.LARGE).query("role != 'baseline'")
    for row in networks.itertuples():
        assert named[row.model] == COLOUR[row.role]
    for axes in figure.axes:
        if not axes.axison and axes.texts:  # a column of names
            shapes = [line.get_marker() for line in axes.lines]
            assert len(shapes) == len(axes.texts) == len(set(shapes))


def test_the_nested_choice_is_no_point_of_the_curve():
    layers = tables.layers()
    axes = drawn("layer_curves").axes[1]
    rows = layers[(layers["benchmark"] == "passages-controlled") & (layers["model"] == "sim-gpt-a")]
    single = rows[rows["layer"] != "nested"]
    curves = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == len(single)]
    assert any(np.allclose(y, single["r"]) for y in curves)
    score = rows.loc[rows["layer"] == "nested", "r"].iloc[0]
    assert any(x > 1 and y == pytest.approx(score) for x, y, _ in points(axes))


def test_encoder_and_decoder_are_two_curves():
    layers = tables.layers([("t5", 1, 0)], ("passages",))
    only = layers[layers["model"] == "t5-a"]
    axes = layer_curves(only, tables.scores([("t5", 1, 0)])).axes[0]
    assert sorted(len(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) > 2) == [
        3,
        3,
    ]


def test_profiles_draw_both_depths_and_write_the_curves_correlation():
    result = tables.study()["profiles"]
    figure = drawn("profiles")
    row = result[(result["dataset"] == "passages") & (result["model"] == "sim-gpt-b")].iloc[0]
    positions = {x for x, _, colour in points(figure.axes[0]) if colour == COLOUR["vanilla"]}
    assert {row["legacy_depth"], row["controlled_depth"]} <= positions
    assert r_text(row["correlation"]) in [text.get_text() for text in figure.axes[0].texts]
    assert "untrained" in said(figure) and "oasm" not in said(figure)


def test_baselines_draw_every_difference_and_the_interval_of_the_smallest():
    actual = tables.study()["baselines"]
    axes = drawn("baselines").axes[0]
    chosen = actual[(actual["benchmark"] == "passages-legacy") & (actual["model"] == "sim-gpt-a")]
    chosen = chosen[chosen["against"] != "sim-t5-a-untrained"]  # no twin of this model
    assert sorted(x for x, y, _ in points(axes) if y == 0) == pytest.approx(
        sorted(chosen["difference"])
    )
    worst = chosen.loc[chosen["difference"].idxmin()]
    segments = [c.get_segments() for c in axes.collections if hasattr(c, "get_segments")]
    intervals = [ends[:, 0] for ends in itertools.chain(*segments)]
    assert any(np.allclose(ends, worst[["low", "high"]].astype(float)) for ends in intervals)


def test_baselines_draw_unique_variance_and_r2_where_there_is_any():
    scores = tables.study()["scores"]
    these = scores[(scores["benchmark"] == "passages-controlled") & (scores["region"] == "all")]
    these = these.set_index("model")
    figure = drawn("baselines")
    with_unique = [axes for axes in figure.axes if axes.get_xlabel() == "R², held out"]
    assert [axes.get_title(loc="left") for axes in with_unique] == list(tables.DATASETS)
    # Every panel has the same rows; the leftmost one names them.
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    position = labels.index("sim-gpt-a")
    expected = [
        *these.loc["sim-gpt-a", ["r2", "unique_r2"]],
        these["unique_r2"]["sim-gpt-a-untrained"],
    ]
    measured = [x for x, y, _ in points(with_unique[0]) if y == position]
    assert sorted(measured) == pytest.approx(sorted(expected))
    segments = [c.get_segments() for c in with_unique[0].collections if hasattr(c, "get_segments")]
    drawn_at = [ends[:, 0] for ends in itertools.chain(*segments) if ends[0, 1] == position]
    ends = these.loc["sim-gpt-a", ["unique_low", "unique_high"]].astype(float)
    assert any(np.allclose(measured, ends) for measured in drawn_at)
    heads = " ".join(text.get_text() for text in with_unique[0].texts).replace("\n", " ")
    assert "5 subjects × 6 folds" in heads
    assert "unique R²" in said(figure)


def test_baselines_without_unique_variance_have_no_panel_of_it():
    study = tables.study()
    figure = baselines(study["baselines"], study["scores"].assign(unique_r2=np.nan))
    assert {axes.get_xlabel() for axes in figure.axes if axes.axison} == {"difference in r"}
    assert "unique R²" not in said(figure)


def test_mixed_effects_draw_the_estimates_and_write_p():
    seen = tables.study(tables.LARGE)["mixed_effects"]
    axes = drawn("mixed_effects", "large").axes[0]
    effects = seen[(seen["mode"] == "legacy") & (seen["term"] != "Intercept")]
    assert sorted(x for x, _, _ in points(axes)) == pytest.approx(sorted(effects["estimate"]))
    assert {p_text(p) for p in effects["p_these_stimuli"]} <= {
        text.get_text() for text in axes.texts
    }


def test_losses_draw_every_model():
    axes = drawn("losses").axes[0]
    assert {x for x, _, _ in points(axes)} == set(tables.losses()["bits_per_byte"])


def test_measured_stand_beside_the_paper_s_numbers():
    table = tables.measured()
    figure = drawn("measured_published")
    selected = table[table["dataset"] == "pereira2018"]
    assert len(selected) == 4
    (panel,) = (axes for axes in figure.axes if axes.get_title(loc="left") == "pereira2018")
    indices = {x for x, _, _ in points(panel)}
    assert {*selected["measured"], *selected["published"]} <= indices
    assert "not computable" in texts(measured_published(table.iloc[:0]))


def test_trajectory_draws_means_and_ranges_over_seeds_from_the_vanilla_model_on():
    table = tables.trajectory()
    axes = drawn("trajectory").axes[0]
    part = table[
        (table["kind"] == "brain") & (table["quantity"] == "average") & (table["mode"] == "legacy")
    ]
    for arm in tables.ARMS:
        means = part[part["arm"] == arm].groupby("position")["value"].mean()
        lines = [line for line in axes.lines if len(line.get_xdata()) == len(means)]
        assert any(np.allclose(line.get_ydata(), means) for line in lines)
    highest = part.groupby(["arm", "position"])["value"].max().max()
    band = max(v for c in axes.collections for v in c.get_paths()[0].vertices[:, 1])
    assert band == pytest.approx(highest)
    (start,) = [y for x, y, c in points(axes) if x == 0 and c == COLOUR["vanilla"]]
    assert start == pytest.approx(0.2)
    assert "N = 3 seeds" in said(drawn("trajectory"))


def test_trajectory_tells_the_levels_that_its_range_leaves_out():
    levels = tables.study()["scores"]
    lines = said(drawn("trajectory"))
    legacy = levels[(levels["mode"] == "legacy") & (levels["region"] == "all")]
    for name in ("oasm", "length"):
        mean = legacy.loc[legacy["model"] == name, "r"].mean()
        assert f"{name} {r_text(mean)}" in lines
    assert "no tuning experiment" in texts(trajectory(tables.trajectory().iloc[:0]))
    one = trajectory(tables.trajectory(seeds=1))
    assert "N = 1 seed" in texts(one) and "band" not in texts(one)


def test_trajectory_levels_are_on_what_the_experiment_is_scored_on():
    scores = tables.study()["scores"]
    table = tables.trajectory()
    table = table[table["quantity"].isin(["average", "stories"])]
    figure = trajectory(table, scores, {"arms": ["stories-legacy", "stories-controlled", "mmlu"]})
    figure.draw_without_rendering()
    assert "r, stories" in texts(figure)
    assert "r, mean of 3 datasets" in said(drawn("trajectory"))
    part = scores[(scores["benchmark"] == "stories-legacy") & (scores["region"] == "all")]
    r = part.set_index("model")["r"]
    assert f"length {r_text(r['length'])}" in texts(figure).replace("\n", " ")
    assert any(np.allclose(line.get_ydata(), r["oasm"]) for line in figure.axes[0].lines)


def test_stages_stand_at_their_steps_and_by_their_names():
    figure = trajectory(tables.stages())
    figure.draw_without_rendering()
    steps, chain = figure.axes[0], figure.axes[3]
    assert steps.get_xscale() == "symlog" and steps.get_xlabel() == "optimisation steps"
    assert [label.get_text() for label in chain.get_xticklabels()] == [
        "b",
        "sft",
        "dpo",
        "instruct",
    ]
    for axes, at, value in ((steps, 143000, 0.14), (chain, 0, 0.1)):
        (vanilla,) = [(x, y) for x, y, c in points(axes) if c == COLOUR["vanilla"] and x == at]
        assert vanilla == pytest.approx((at, value))
    assert "Along training" in texts(figure) and "N = 1 training" in texts(figure)
    assert "arm stages" not in texts(figure)
    assert cut_off(figure) == [] and collisions(figure) == []


def test_trajectory_of_a_tiny_change_can_be_read():
    """Long tick labels leave space for the words above a panel; ticks show integers."""
    table = tables.trajectory(seeds=1, experiments=("one", "two"))
    figure = trajectory(table.assign(value=0.1418 + 1e-5 * table["value"]))
    figure.draw_without_rendering()
    assert all(axes.yaxis.get_offset_text().get_text() == "" for axes in figure.axes)
    assert cut_off(figure) == [] and collisions(figure) == []


def test_improvement_draws_means_intervals_and_pairs():
    contrasts = tables.study()["contrasts"]
    figure = drawn("improvement")
    brain = contrasts[(contrasts["mode"] == "legacy") & (contrasts["measure"] == "r")]
    overall = brain[(brain["level"] == "overall") & (brain["unit"] == "pairs")]
    overall = overall[overall["dataset"] != "reading"]
    heights = sorted(bar.get_height() for bar in figure.axes[0].patches)
    assert np.allclose(heights, sorted(overall["absolute"]))
    pairs = brain[(brain["level"] == "pair") & (brain["dataset"] == "average")]
    shown = {y for _, y, colour in points(figure.axes[0]) if colour == COLOUR["tuned"]}
    assert set(pairs["absolute"]) <= shown
    average = overall[overall["dataset"] == "average"].iloc[0]
    chapter = overall[overall["dataset"] == "chapter"].iloc[0]
    percentages = [text.get_text() for text in figure.axes[0].texts]
    for share in (average["relative_by_dataset"], chapter["relative"]):
        assert f"{100 * share:+.1f} %".replace("-", "−") in percentages


def test_improvement_prints_no_percentage_where_a_pair_lacks_one():
    study = tables.study()
    scores = study["scores"].copy()
    first = (scores["role"] == "vanilla") & (scores["dataset"] == "chapter")
    scores.loc[first & (scores["model"] == "sim-gpt-a"), "low"] = -0.01
    table = contrasts_of(scores, tables.subjects(study["scores"]))
    shown = [text.get_text() for text in improvement(table, scores).axes[0].texts]
    assert sum(text.endswith(" %") for text in shown) == 2  # passages, stories; not the average


def test_improvement_writes_a_loss_with_a_true_minus():
    contrasts = tables.study()["contrasts"].copy()
    contrasts[["relative", "relative_by_dataset"]] *= -1
    percentages = re.findall(r"\S+ %", texts(improvement(contrasts, tables.study()["scores"])))
    assert any(text.startswith("−") for text in percentages)
    assert not any(text.startswith("-") for text in percentages)


def test_improvement_tells_what_untrained_twins_and_baselines_score_above_vanilla_models():
    scores = tables.study()["scores"]
    complete = scores[(scores["region"] == "all") & (scores["benchmark"] == "passages-legacy")]
    r = complete.set_index("model")["r"]
    vanilla = r[["sim-gpt-a", "sim-gpt-b", "sim-gpt-c", "sim-t5-a"]].mean()
    twins = [r[f"{name}-untrained"] - r[name] for name in ("sim-gpt-a", "sim-t5-a")]
    numbers = [text.get_text() for text in drawn("improvement").axes[0].texts]
    for value in (r["oasm"] - vanilla, np.mean(twins)):
        assert f"{'+' if value > 0 else ''}{r_text(value, 3)}" in numbers
    assert "oasm − vanilla" in numbers and "untrained − vanilla" in numbers


def test_improvement_with_untrained_models_of_another_size_than_all_others():
    study = tables.study()
    scores = study["scores"].copy()
    scores.loc[scores["role"] == "untrained", "parameters"] = 12345.0
    drawn_texts = texts(improvement(study["contrasts"], scores))
    assert "oasm − vanilla" in drawn_texts and "untrained − vanilla" not in drawn_texts


def test_improvement_says_for_whom_its_p_speaks():
    legacy, controlled = texts(drawn("improvement")).split("Tuned minus vanilla, controlled")
    assert "these stimuli" in legacy + controlled and "new stimuli" in legacy + controlled


def test_improvement_leaves_reading_times_out():
    assert "reading" not in said(drawn("improvement"))


def test_improvement_leaves_out_reading_times_that_have_only_r():
    contrasts = tables.study()["contrasts"]
    only_r = contrasts[contrasts["measure"] == "r"]
    assert "reading" in set(only_r["dataset"])
    assert "reading" not in texts(improvement(only_r, tables.study()["scores"]))


def test_correlates_take_the_loss_on_running_text_where_there_is_one():
    study = tables.study()
    table, parts = study["correlations"], (study["capabilities"], study["behaviors"])
    both = drawn("correlates")
    loss = study["losses"].set_index("model")["bits_per_byte"]
    panel = next(axes for axes in both.axes if axes.get_xlabel() == "bits per byte, held-out")
    known = study["scores"].loc[study["scores"]["role"] != "baseline", "model"].unique()
    assert sorted(x for x, _, _ in points(panel)) == sorted(loss[known])
    row = table[
        (table["x"] == "bits_per_byte held-out")
        & (table["y"] == "brain average")
        & (table["mode"] == "legacy")
        & (table["models"] == "tuned")
        & (table["subset"] == "all")
        & (table["method"] == "pearson")
    ].iloc[0]
    said_there = "\n".join(text.get_text() for text in panel.texts).replace("\u00a0", " ")
    assert f"tuned: {r_text(row['r'])}, {p_text(row['p'])}, N = {row['n']}" in said_there
    assert "bits per word" not in said(both)
    assert "bits per word" in texts(correlates(study["scores"], table, *parts))


def test_correlates_state_the_table_s_r_p_and_n():
    study = tables.study(tables.LARGE)
    table = study["correlations"]
    row = table[
        (table["x"] == "mmlu")
        & (table["y"] == "brain average")
        & (table["mode"] == "controlled")
        & (table["models"] == "tuned")
        & (table["subset"] == "all")
        & (table["method"] == "pearson")
    ].iloc[0]
    expected = f"tuned: {r_text(row['r'])}, {p_text(row['p'])}, N = {row['n']}"
    assert expected in said(drawn("correlates", "large"))


def test_correlates_name_the_trained_models_of_highest_and_lowest_alignment():
    average = dataset_scores(tables.study()["scores"]).query("dataset == 'average'")
    facts = tables.study()["scores"].drop_duplicates("model").set_index("model")
    part = average[average["mode"] == "legacy"].set_index("model")["r"]
    part = part[facts["role"].reindex(part.index).isin(["vanilla", "tuned"])]
    named = [text.get_text() for text in drawn("correlates").axes[0].texts]
    for model in (part.idxmax(), part.idxmin()):
        assert facts.loc[model, "label"] in named


def test_a_panel_of_real_and_simulated_models_says_partly():
    scores = tables.scores(datasets=("passages",), simulated=False)
    scores.loc[scores["model"] == scores["model"].iloc[0], "simulated"] = True
    assert "partly simulated" in texts(alignment(scores))
    assert "simulated" not in texts(alignment(scores.assign(simulated=False)))
    assert "partly" not in texts(alignment(scores.assign(simulated=True)))


def test_correlates_legend_has_those_baselines_that_are_drawn_as_they_are_drawn():
    study = tables.study()
    scores = study["scores"].copy()
    untrained = scores.query("model == 'sim-gpt-a-untrained'").set_index(["benchmark", "region"])
    near = scores["model"] == "oasm"
    keys = pd.MultiIndex.from_frame(scores.loc[near, ["benchmark", "region"]])
    scores.loc[near, "r"] = untrained["r"].reindex(keys).to_numpy()
    parts = (study[name] for name in ("correlations", "capabilities", "behaviors", "losses"))
    figure = correlates(scores, *parts)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    handles = dict(zip((t.get_text() for t in legend.texts), legend.legend_handles, strict=True))
    assert {name for name in handles if name.startswith("baseline ")} == {"baseline oasm"}
    average = dataset_scores(scores).query("dataset == 'average' and mode == 'legacy'")
    lines = [line for line in figure.axes[0].lines if line.get_color() == COLOUR["baseline"]]
    (value,) = {float(line.get_ydata()[0]) for line in lines}
    assert value == average.set_index("model")["r"]["oasm"]
    low, high = figure.axes[0].get_ylim()
    assert low < value < high
    dashes, shown = handles["baseline oasm"]._dash_pattern[1], lines[0]._dash_pattern[1]
    assert np.allclose(np.array(shown) / shown[0], np.array(dashes) / dashes[0])


def test_correlates_give_world_knowledge_the_panel_of_its_task():
    titles = [axes.get_title(loc="left") for axes in drawn("correlates").axes]
    assert "bbh world knowledge" in titles and "mmlu" in titles


def test_legacy_controlled_states_fit_four_datasets_beside_each_other():
    scores = tables.scores(tables.LARGE, ("passages", "stories", "chapter", "story"))
    figure = legacy_controlled(scores)
    assert "N = 40 models" in texts(figure) and "N = 43 with baselines" in texts(figure)
    assert cut_off(figure) == [] and collisions(figure) == []


def test_training_names_many_curves_that_end_alike_without_a_line_through_a_name():
    logs, facts = tables.training_logs([("gpt", 4, 2), ("t5", 2, 2)])
    figure = training(logs, facts)
    figure.draw_without_rendering()
    assert collisions(figure) == [] and cut_off(figure) == []
    names = [text for text in figure.axes[0].texts if text.get_text() in logs]
    assert len(names) == len(logs) == 12
    for text in names:
        leader = text.arrow_patch.get_window_extent()
        assert leader.x1 <= min(Text.get_window_extent(name).x0 for name in names)


def test_legacy_controlled_ranks_count_all_models():
    figure = drawn("legacy_controlled")
    assert "N = 13" in said(figure)
    coordinates = points(figure.axes[3])
    assert sorted(x for x, _, _ in coordinates) == list(range(1, 14))


def test_published_states_printed_and_recomputed_values():
    lines = said(drawn("published"))
    assert "Published tables, Aw et al. 2024" in lines
    for value in ("r = .92 (printed .92)", "r = .81 (printed .81)", "r = −.16 (not printed)"):
        assert value in lines
    for gain in ("+7.0 (+6.9)", "+8.0 (+8.0)", "+4.0 (+3.8)", "+6.3 (+6.2)"):
        assert gain in lines


def test_published_names_the_quantity_that_is_missing():
    models, check, categories, widths = tables.published()
    with pytest.raises(InputError, match="Wilcoxon p, one value per base model"):
        published(models, check[~check["quantity"].str.startswith("Wilcoxon")], categories, widths)


# Every figure ----------------------------------------------------------------------------------


@pytest.fixture(params=CASES, ids="-".join)
def figure(request):
    return drawn(*request.param)


def test_no_text_covers_another(figure):
    assert collisions(figure) == []


def test_no_text_leaves_the_sheet(figure):
    assert cut_off(figure) == []


def test_print_is_large_enough_at_its_printed_width(figure):
    assert figure.get_figwidth() == PAGE
    assert min(text.get_fontsize() for text in words(figure)) >= 7


# What a panel rests on without a mode: the loss of a training, the responses of a dataset.
WITHOUT_MODE = ("Training loss", "Distribution", "Missing values", "Autocorrelation",
                "Inter-subject correlation")  # fmt: skip


def test_every_panel_states_n_and_mode(figure):
    if "Published fits" in said(figure):  # of models' releases: they know no modes
        return
    stated = panels(figure)
    assert stated
    for title, text in stated:
        assert "N = " in text or "not computable" in text, (title, text)
        if title not in WITHOUT_MODE:
            assert re.search("legacy|controlled|the same in both modes", text), (title, text)


def test_simulated_data_are_marked_and_real_data_are_not(figure):
    marked = "SIMULATED DATA" in said(figure)
    real = ("Published tables", "Measured here beside published", "Published fits", "by region and")
    assert marked == (not any(title in said(figure) for title in real))


def test_real_study_is_not_marked_simulated():
    figure = alignment(tables.scores(datasets=("passages",), simulated=False))
    assert "simulated" not in texts(figure).lower()


def test_the_modes_of_a_world_share_the_scale_of_change():
    study = tables.study(tables.LARGE)
    figure = improvement(study["contrasts"], study["scores"])
    limits = {axes.get_ylim() for axes in figure.axes if axes.axison}
    assert len(limits) == 1
    pairs = study["contrasts"].query("kind == 'brain' and level == 'pair'")["absolute"]
    ((low, high),) = limits
    assert low < pairs.min() and pairs.max() < high


def test_a_figure_without_data_is_low_and_says_what_it_lacks():
    study = tables.study()
    figure = improvement(study["contrasts"].iloc[:0], study["scores"])
    assert "it needs a tuned model and its vanilla partner" in texts(figure)
    assert figure.get_figheight() < 1
    assert cut_off(figure) == [] and collisions(figure) == []


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("leave-one-subject-out", "above it: it is a lower bound"),
        ("extrapolation", "above it: leak or noise"),
        ("split-half", "above it: noise"),
    ],
)
@pytest.mark.parametrize("above", [True, False])
def test_scores_above_the_ceiling_are_explained(method, why, above):
    ceiling = 1e-4 if above else 9.0
    scores = tables.scores().assign(ceiling=ceiling, ceiling_method=method)
    assert (why in texts(alignment(scores))) == above
    part = tables.ceilings().assign(ceiling=ceiling, method=method)
    figure = regions(tables.alignment(), part, "stories-controlled", "controlled")
    assert (why in texts(figure)) == above


def test_words_are_those_of_networks_and_of_all_where_models_differ():
    study = tables.study()
    others = [study[name] for name in ("correlations", "capabilities", "losses")]
    known = study["behaviors"]
    tokens = known[known["model"] == known["model"].iloc[0]].assign(
        model="tokens", label="tokens", role="baseline", base=None, family=None, n=2500
    )
    more = pd.concat([known, tokens], ignore_index=True)
    assert "N = 2400 words" in texts(behavior(more, *others))
    more.loc[more["role"] == "untrained", "n"] = 2300
    assert "N = 2300–2400 words" in texts(behavior(more, *others))


def test_gains_and_losses_of_reading_measures_differ_in_colour_and_0_is_white():
    known = tables.study()["behaviors"]
    rows = known[(known["mode"] == "controlled") & (known["measure"] == "delta_loglik_per_word")]
    rows = rows.head(3).assign(value=[0.02, 0.0, -0.02], low=[0.01, -0.01, -0.03])
    rows = rows.assign(high=[0.03, 0.01, -0.01])
    figure = reading_measures(rows)
    figure.draw_without_rendering()
    axes = next(axes for axes in figure.axes if axes.collections)
    shown = {
        text.get_text(): colour
        for text, colour in zip(axes.texts, axes.collections[0].get_facecolors(), strict=False)
    }
    gain, nothing, loss = (shown[text] for text in ("20.0", "0.0", "−20.0"))
    assert gain[2] > gain[0] and loss[0] > loss[2] and min(nothing[:3]) > 0.95
    assert axes.get_position().width < 0.35  # one dataset is one narrow column


def test_a_loss_whose_interval_contains_0_is_pale():
    known = tables.study()["behaviors"]
    rows = known[(known["mode"] == "controlled") & (known["measure"] == "delta_loglik_per_word")]
    rows = rows.head(3).assign(value=[0.02, -0.02, -0.02], low=[0.01, -0.03, -0.03])
    figure = reading_measures(rows.assign(high=[0.03, -0.01, 0.01]))
    figure.draw_without_rendering()
    axes = next(axes for axes in figure.axes if axes.collections)
    _, loss, uncertain = axes.collections[0].get_facecolors()[:3]
    assert loss[0] > loss[2] + 0.2 and min(uncertain[:3]) > 0.7
    assert "pale: interval contains 0" in texts(figure)


def test_a_pair_without_a_test_says_why_and_for_whom_its_interval_speaks():
    study = tables.study()
    note = "no relative change: 1 of 1 pairs have none; no p: 1 vanilla model, 2 are needed"
    rows = study["contrasts"].assign(p=np.nan, p_these_stimuli=np.nan, note=note, n=1)
    said_ = texts(improvement(rows, study["scores"]))
    assert "average: no p: 1 vanilla model, 2 are needed; interval: " in said_
    assert "no relative change" not in said_ and "mean over vanilla models" not in said_


def test_every_baseline_has_another_marker_in_all_figures():
    looks = baseline_looks(tables.scores())
    assert len({look["marker"] for look in looks.values()}) == len(looks) == 3
    figure = layer_curves(*(tables.study()[name] for name in ("layers", "scores")))
    drawn_markers = {line.get_marker() for axes in figure.axes for line in axes.lines}
    assert {look["marker"] for look in looks.values()} <= drawn_markers


@pytest.mark.parametrize("above", [True, False])
def test_r_above_a_reliability_is_explained(above):
    study = tables.study()
    behaviors = study["behaviors"].assign(ceiling=1e-4 if above else 9.0)
    figure = behavior(behaviors, study["correlations"], study["capabilities"], study["losses"])
    assert ("above it: r may reach its root" in texts(figure)) == above


def test_altered_texts_say_who_loses_where_folds_give_a_p():
    figure = drawn("text_controls")
    for axes in figure.axes:
        labels = [text.get_text() for text in axes.get_yticklabels()]
        controlled = "controlled" in " ".join(text.get_text() for text in axes.texts)
        assert labels[0] == "the text as it is"
        assert all(("lose" in label) is controlled for label in labels[1:])


def test_a_profile_that_could_not_be_computed_says_why():
    table = tables.study()["reading_profiles"]
    why = "not computable: 2 stories, 3 are needed"
    states = table["predictor"] == "states"
    table = table.assign(delta_r2=table["delta_r2"].where(~states), note=np.where(states, why, ""))
    assert "2 stories, 3 are" in texts(reading_profiles(table))


@pytest.mark.parametrize("ceiling", [-0.05, 0.0])
def test_a_ceiling_that_is_not_above_0_is_no_line(ceiling):
    study = tables.study()
    own = tables.ceilings().assign(ceiling=ceiling)
    figures = (
        alignment(study["scores"].assign(ceiling=ceiling)),
        regions(tables.alignment(), own, "stories-controlled", "controlled"),
        behavior(
            study["behaviors"].assign(ceiling=ceiling),
            *(study[name] for name in ("correlations", "capabilities", "losses")),
        ),
    )
    for figure in figures:
        figure.draw_without_rendering()
        labels = {line.get_label() for axes in figure.axes for line in axes.lines}
        assert "noise ceiling" not in labels and "above it" not in texts(figure)
        assert "not above 0" in texts(figure).replace("\n", " ")
        assert cut_off(figure) == [] and collisions(figure) == []


def test_values_that_hardly_differ_do_not_fill_a_panel():
    """Scores that differ by 1e-6 stand near each other, as on any axis of r they would."""
    study = tables.study()
    near = study["scores"].assign(r=0.1 + 1e-6 * np.arange(len(study["scores"])) / 100)
    figure = correlates(near, study["correlations"], study["capabilities"])
    figure.draw_without_rendering()
    for axes in figure.axes:
        if "alignment" in axes.get_ylabel():
            assert np.diff(axes.get_ylim()) >= 0.02
    behaviors = study["behaviors"].assign(
        value=study["behaviors"]["value"].mask(study["behaviors"]["mode"] == "controlled", 0.01)
    )
    figure = reading_loss(behaviors, study["reading_loss"])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert np.diff(axes.get_xlim()) >= 0.2 and np.diff(axes.get_ylim()) >= 0.001


@pytest.mark.parametrize("datasets", [("passages",), ("passages", "stories")])
def test_an_average_is_drawn_of_several_datasets_alone(datasets):
    several = len(datasets) > 1
    scores = tables.scores(datasets=datasets)
    changes = contrasts_of(scores, tables.subjects(scores))
    figure = improvement(changes, scores)
    figure.draw_without_rendering()
    for axes in figure.axes:
        names = [label.get_text() for label in axes.get_xticklabels()]
        assert names == [*datasets, *["average"] * several]
    effects = mixed_effects(mixed_effects_of(scores, tables.subjects(scores)))
    effects.draw_without_rendering()
    for figure_ in (figure, effects):
        assert ("average" in texts(figure_)) == several
    related = correlates(scores, correlations_of(scores))
    heading = "averaged over datasets" if several else "alignment, on passages"
    assert heading in texts(related)


def test_the_legend_has_nothing_that_is_not_drawn():
    study = tables.study()
    none = study["contrasts"].assign(relative=np.nan, relative_by_dataset=np.nan)
    assert "%: mean relative change" in said(drawn("improvement"))
    assert "%: mean relative change" not in texts(improvement(none, study["scores"]))
    assert "partial r" in said(drawn("correlates"))
    partial = study["correlations"]["method"] == "partial"
    without = correlates(study["scores"], study["correlations"][~partial], study["capabilities"])
    assert "partial r" not in texts(without) and "r, 95 % interval" in texts(without)
    one = study["behaviors"][study["behaviors"]["model"].isin(["sim-t5-a", "sim-t5-a-tuned-1"])]
    assert "vanilla models of a family" in said(drawn("reading_loss"))
    assert "vanilla models of a family" not in texts(reading_loss(one, study["reading_loss"]))
    assert drawn("baselines").get_suptitle() == "r beyond baselines and untrained twins"
    alone = study["baselines"][study["baselines"]["against_role"] == "baseline"]
    assert baselines(alone, study["scores"]).get_suptitle() == "r beyond baselines"
    points_ = baselines(study["baselines"].assign(low=np.nan, high=np.nan), study["scores"])
    assert "95 % interval of the smallest" not in texts(points_)


def test_contrasts_of_targets_show_every_region_subject_and_count():
    rows = tables.target_contrasts()
    axes = drawn("target_contrasts").axes[0]
    regions_ = [label.get_text() for label in axes.get_yticklabels()]
    assert regions_ == ["all regions", *(f"area {i}" for i in range(1, 6))]
    names = {"all regions": "all"}
    expected = {
        (row.difference, float(regions_.index(name)))
        for name in regions_
        for row in rows[rows["region"] == names.get(name, name)].itertuples()
    }
    assert {(x, y) for x, y, _ in points(axes)} == expected
    overall = rows[rows["subject"] == "all"].set_index("region")
    counts = overall.loc["area 5", ["n_higher", "n_lower", "n_targets"]].tolist()
    (height,) = {float(regions_.index("area 5"))}
    assert [int(t.get_text()) for t in axes.texts if t.xy == (1, height)] == counts == [12, 0, 12]


def test_contrasts_of_targets_are_filled_where_q_says_so():
    """q of each region by the definition of Benjamini and Hochberg, of all together p."""
    rows = tables.target_contrasts()
    axes = drawn("target_contrasts").axes[0]
    filled = [
        line.get_markerfacecolor() != "white" for line in axes.lines if line.get_marker() == "D"
    ]
    p = rows[rows["subject"] == "all"].set_index("region")["group_p"]
    of_regions = p.drop("all").sort_values()
    passing = of_regions <= 0.05 * np.arange(1, len(of_regions) + 1) / len(of_regions)
    sure = set(of_regions.index[: passing.to_numpy().nonzero()[0].max(initial=-1) + 1])
    expected = [p["all"] <= 0.05, *(name in sure for name in sorted(of_regions.index))]
    assert filled == expected and len(set(filled)) == 2
    alone = rows[rows["subject"].isin(["s1", "all"])].assign(group_p=np.nan)
    about = {"tuned": "t", "vanilla": "v", "benchmark": "b", "mode": "controlled"}
    one = target_contrasts(alone.assign(p=0.001), {**about, "simulated": False}, 0.05)
    assert "q ≤ 0.05" in texts(one) and "q > 0.05" not in texts(one)


def test_contrasts_of_many_regions_are_those_of_the_largest():
    rows = tables.target_contrasts(100)
    figure = drawn("target_contrasts", "large")
    names = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    overall = rows[(rows["subject"] == "all") & (rows["region"] != "all")].set_index("region")
    largest = set(overall["difference"].abs().nlargest(80).index)
    assert names[0] == "all regions" and set(names[1:]) == largest
    assert names[1:] == sorted(names[1:], key=lambda name: int(name.split()[1]))
    assert "the 80 of 100 regions with the largest difference" in said(figure)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_contrasts_of_targets_without_a_score_say_so():
    rows = tables.target_contrasts().assign(difference=np.nan, p=np.nan, group_p=np.nan)
    about = {"tuned": "t", "vanilla": "v", "benchmark": "b", "mode": "controlled"}
    figure = target_contrasts(rows, {**about, "simulated": False}, 0.05)
    assert "no target has r in both models" in texts(figure)
