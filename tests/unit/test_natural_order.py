"""Names with numbers stand as people count, in tables and in figures."""

import figure_tables as tables
import numpy as np
import pandas as pd
import xarray as xr
from brainalign.analysis.collect import collect_behaviors
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.analysis.target_contrasts import compare_targets
from brainalign.figures.dataset_page import intersubject
from brainalign.figures.regions import regions
from brainalign.natural_order import natural, ranks
from figure_gallery import strictly_drawing

TEXT = ["area 1", "area 10", "area 2"]
NATURAL = ["area 1", "area 2", "area 10"]
MODELS = model_table({"m": {"role": "vanilla", "simulated": False}}, [])


def test_numbers_count_by_size_letters_in_any_case_and_all_is_first():
    names = ["v10b", "V2", "v10a", "all", "", "10", "9", "v2a", "²"]
    assert sorted(names, key=natural) == ["all", "", "9", "10", "V2", "v2a", "v10a", "v10b", "²"]
    assert ranks(["b10", "b9", "b10"]) == {"b9": 0, "b10": 1}


def test_scores_and_subjects_have_regions_and_subjects_in_order():
    cells = pd.MultiIndex.from_product(
        [["s1", "s10", "s2", "all"], [*TEXT, "all"], [-1, 0, 1]],
        names=["subject", "region", "fold"],
    )
    table = cells.to_frame(index=False).assign(
        layer="layer.1", layer_index=1, depth=0.5, r=np.linspace(0, 0.4, len(cells)), chosen=True,
        unique_r2=np.nan, n_targets=2, r2=0.1, **dict.fromkeys(
            ("r_sd", "r_stacked", "r_null", "r_p", "group_p", "n_significant", "unique_null",
             "unique_p", "n_undefined", "n_missed", "alpha", "alpha_at_edge", "units_per_row"),
            np.nan),
        beyond="", reduction="", reason="",
    )  # fmt: skip
    benchmark = {
        "dataset": "d", "mode": "controlled", "layers": "best", "regression": {"type": "ols"},
        "split": {"scheme": "grouped"},
    }  # fmt: skip
    collected = collect_scores([("m", "b", table)], {}, MODELS, {"b": benchmark}, [])
    assert collected["scores"]["region"].tolist() == ["all", *NATURAL]
    overall = table[(table["subject"] == "all") & (table["fold"] == -1)].set_index("region")["r"]
    assert collected["scores"]["r"].tolist() == overall[["all", *NATURAL]].tolist()
    assert collected["subjects"]["subject"].unique().tolist() == ["all", "s1", "s2", "s10"]


def test_stories_stand_in_order_inside_each_measure():
    rows = pd.DataFrame(
        {"measure": ["r"] * 4 + ["abs_r"] * 2, "kind": ["all", *["story"] * 3, *["story"] * 2],
         "group": ["all", *TEXT, "10", "9"], "value": range(6)}
    ).assign(low=np.nan, high=np.nan, interval="", n=1, n_dropped=0, reason="", ceiling=np.nan,
             ceiling_method="", note="")  # fmt: skip
    collected = collect_behaviors(
        [("m", "b", rows)], MODELS, {"b": {"dataset": "d", "mode": "legacy"}}, []
    )
    assert collected["stories"]["group"].tolist() == [*NATURAL, "9", "10"]
    assert collected["stories"]["value"].tolist() == [1, 3, 2, 5, 4]


def test_contrasts_of_targets_are_in_order():
    noise = np.random.default_rng(0)
    subjects, where = np.repeat(["s1", "s10", "s2"], 3), TEXT * 3
    both = [
        xr.Dataset(
            {"r": ("target", noise.normal(size=9)),
             "r_drawn": (("draw", "target"), noise.normal(size=(19, 9)))},
            coords={"target_id": ("target", [f"target {n}" for n in range(9)]),
                    "subject": ("target", subjects), "region": ("target", where)},
        )
        for _ in range(2)
    ]  # fmt: skip
    _, rows = compare_targets(*both, 0.05)
    assert rows["subject"].unique().tolist() == ["s1", "s2", "s10", "all"]
    for _, part in rows.groupby("subject"):
        assert part["region"].tolist() == ["all", *NATURAL]


def test_panels_of_regions_are_in_order():
    with strictly_drawing():
        figure = regions(tables.alignment(names=TEXT), tables.ceilings(TEXT), "b", "legacy")
    assert [axes.get_title(loc="left") for axes in figure.axes] == NATURAL


def test_columns_of_a_dataset_page_are_in_order():
    values = np.random.default_rng(1).normal(size=(9, 6))
    subjects, where = np.repeat(["a", "b"], 3), np.array(TEXT * 2)
    assert intersubject(values, subjects, where)["region"].unique().tolist() == NATURAL
