"""The published AICs of Maze times (Michaelov, Arnett & Bergen 2024), which lme4 made."""

import numpy as np
import pandas as pd
import pytest
from brainalign.behavior.mixed_model import crossed_sums, fit

pytestmark = pytest.mark.real

FOLDER = "surprisal_michaelov2024"
MODELS = (
    *(f"EleutherAI__pythia-{size}" for size in ("160m", "410m", "1b", "1_4b", "2_8b")),
    *(f"RWKV__rwkv-4-{size}-pile" for size in ("169m", "430m", "1b5", "3b")),
    *(f"state-spaces__mamba-{size}-hf" for size in ("130m", "370m", "790m", "1_4b", "2_8b")),
)


@pytest.fixture(scope="module")
def published(mirror):
    if not (mirror / FOLDER).exists():
        pytest.skip(f"no real data: {mirror} has no {FOLDER}")
    table = pd.read_csv(mirror / FOLDER / "all_AICs.tsv", sep="\t")
    table = table[table["Dataset"] == "Boyce & Levy (2023): Maze RT"]
    return table.set_index("ModelName")["Surprisal_AIC"]


def scaled(values):
    """As R's scale()."""
    return ((values - values.mean()) / values.std(ddof=1)).to_numpy()


@pytest.mark.parametrize("model", MODELS)
def test_the_published_aic_is_reproduced(mirror, published, model):
    """scale(log(rt)) ~ four scaled predictors + (1 + three of them || reader) + (1 | sentence)."""
    times = pd.read_csv(mirror / FOLDER / "boyce_2023.tsv.gz", sep="\t")
    name = f"futrell_2018_dl.surprisal.{model}.causal.output.gz"
    surprisal = pd.read_csv(mirror / FOLDER / name, sep="\t")
    table = times.merge(surprisal, on=["docid", "sentid", "sentpos"])
    assert len(table) == len(times) == 56447
    predictors = [scaled(table[c]) for c in ("Surprisal", "wlen", "unigramsurp", "sentpos")]
    x = np.column_stack([np.ones(len(table)), *predictors])
    sentence = table["docid"] + ":" + table["sentid"].astype(str)
    sums = crossed_sums(
        x, scaled(np.log(table["rt"])), x[:, [0, 1, 2, 4]], table["subject"].to_numpy(),
        sentence.to_numpy(),
    )  # fmt: skip
    assert fit(sums).aic == pytest.approx(published[model.split("__")[1]], abs=0.01)
