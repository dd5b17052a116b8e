"""Alignment tables are taken one after the other, however many a study has."""

import weakref
from collections.abc import Iterator
from typing import get_args

import pandas as pd
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import HOLDING_OUT, collect_scores
from brainalign.encoding.settings import Split

BENCHMARKS = {"b": {"dataset": "d", "mode": "controlled"}}


def alignment(r: float) -> pd.DataFrame:
    """One layer, one region, two subjects in two folds and together."""
    rows = [
        {
            "layer": "layer_0", "layer_index": 0, "depth": 0.0, "subject": subject, "fold": fold,
            "region": "all", "r": r, "r_sd": 0.0, "r_stacked": r, "r2": r * r, "unique_r2": 0.0,
            "n_targets": 3, "n_undefined": 0, "reason": "", "alpha": 1.0, "alpha_at_edge": 0.0,
            "chosen": True, "unique_null": 0.0, "unique_p": 1.0, "beyond": "", "units_per_row": 0.1,
            "reduction": "", "r_null": 0.0, "r_p": 1.0, "group_p": 1.0, "n_significant": 0.0,
        }
        for subject in ("all", "s1", "s2")
        for fold in (-1, 0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_one_alignment_table_is_held_at_a_time() -> None:
    models = [f"m{k}" for k in range(6)]
    taken: list[weakref.ref[pd.DataFrame]] = []
    most = 0

    def files() -> Iterator[tuple[str, str, pd.DataFrame]]:
        nonlocal most
        for k, name in enumerate(models):
            table = alignment(k / 10)
            taken.append(weakref.ref(table))
            most = max(most, sum(reference() is not None for reference in taken))
            yield name, "b", table
            del table

    records = {
        name: {
            "base": name, "family": name, "role": "vanilla", "label": name, "parameters": 1.0,
            "published": None, "simulated": False,
        }
        for name in models
    }  # fmt: skip
    tables = collect_scores(files(), {}, model_table(records, []), BENCHMARKS, [])
    assert most == 1
    assert tables["scores"]["r"].tolist() == [k / 10 for k in range(6)]


def test_every_split_says_what_its_folds_hold_out():
    assert set(HOLDING_OUT) == {scheme.__struct_config__.tag for scheme in get_args(Split)}
