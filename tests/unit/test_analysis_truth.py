"""The table of planted values beside their estimates."""

import figure_tables as tables
import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.headline import headline
from brainalign.analysis.study_tables import Tables
from brainalign.analysis.truth import COLUMNS, planted_and_estimated

SHARES = {"v": 0.5, "same": 0.5, "more": 0.6}
TRUE = {"a": 0.6, "b": 0.5}
BENCHMARKS = (("A", "a", 0.6), ("B", "b", 0.5), ("average", "all", 0.55))


def truth_of(rise: float) -> pd.DataFrame:
    """The table where every estimate lies `rise` above the planted value, ± .01."""
    effects = [
        {"level": "pair", "mode": "controlled", "tuned": tuned, "dataset": dataset,
         "benchmark": benchmark, "absolute": effect + rise, "low": effect + rise - 0.01,
         "high": effect + rise + 0.01, "p": 0.2, "scope": "new subjects", "note": ""}
        for dataset, benchmark, ceiling in BENCHMARKS
        for tuned, effect in (("same", 0.0), ("more", (0.6**0.5 - 0.5**0.5) * ceiling))
    ]  # fmt: skip
    scores = pd.DataFrame(
        [
            {"role": role, "region": "all", "model": role, "dataset": b.upper(), "benchmark": b,
             "mode": "controlled", "r": c + rise, "low": c + rise - 0.01, "high": c + rise + 0.01,
             "scope": "new subjects"}
            for role in ("truth", "vanilla") for b, c in TRUE.items()
        ]
    )  # fmt: skip
    ceilings = {
        b: pd.DataFrame(
            {"target_id": ["all", "t"], "region": "all", "ceiling": [c + rise, 9.0],
             "low": [c + rise - 0.01, np.nan], "high": [c + rise + 0.01, np.nan], "note": ""}
        )
        for b, c in TRUE.items()
    }  # fmt: skip
    return planted_and_estimated(scores, ceilings, pd.DataFrame(effects), TRUE, SHARES, "v")


@pytest.mark.parametrize(("rise", "covered"), [(0.0, "yes"), (0.009, "yes"), (0.011, "no")])
def test_planted_values_are_the_closed_forms_and_are_covered_or_not(rise, covered):
    table = truth_of(rise)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 6 + 2 + 2
    np.testing.assert_allclose(table["estimate"] - table["planted"], rise, atol=1e-12)
    assert set(table["covered"]) == {covered}
    assert table["simulated"].all()


def test_the_headline_tells_what_was_planted():
    study, check = tables.study(tables.LARGE), tables.published()[1]
    table = headline(check, Tables(scores=study["scores"], truth=truth_of(0.0)))
    (text,) = table.loc[table["question"].str.startswith("Is a planted effect"), "controlled"]
    assert text.startswith("planted 0.0000: 0.0000 [−0.0100, +0.0100], p = .2")
    assert "planted +0.0371: +0.0371" in text
    assert text.endswith("ceiling within its interval on 2 of 2 datasets")
