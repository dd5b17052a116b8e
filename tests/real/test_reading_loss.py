"""Real pairs on Natural Stories: all tuned models fit better, by no more than loss predicts."""

import pytest
from brainalign.analysis.collect import collect_behaviors
from brainalign.analysis.reading_loss import reading_loss
from brainalign.analysis.records import model_table
from brainalign.datasets import kuribayashi2024, natural_stories
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import NaturalStories
from brainalign.datasets.surprisal_settings import Kuribayashi2024
from worlds.entries import fit_reading_times

pytestmark = pytest.mark.real

PAIRS = {
    **{f"Llama-2-{size}-chat-hf": f"Llama-2-{size}-hf" for size in ("7b", "13b", "70b")},
    **{f"falcon-{size}-instruct": f"falcon-{size}" for size in ("7b", "40b")},
}
NO_PAIR = ("text-davinci-002", "text-davinci-003")  # their base is not davinci-002


def family(model):
    return "OpenAI" if model.endswith("-002") else model.split("-")[0].removesuffix("2")


@pytest.fixture(scope="module")
def tables(mirror, tmp_path_factory):
    if not (mirror / kuribayashi2024.FOLDER).exists():
        pytest.skip(f"no real data: {mirror} has no {kuribayashi2024.FOLDER}")
    downloads = tmp_path_factory.mktemp("downloads")
    stories = NaturalStories(readers="mean")
    files = locate(natural_stories.raw_files(stories), mirror, downloads)
    corpus = natural_stories.read(files, stories)
    models, results = {}, []
    for model in kuribayashi2024.models():
        if model in NO_PAIR:
            continue
        base = PAIRS.get(model)
        role = "tuned" if base else "vanilla"
        models[model] = {"base": base, "family": family(model), "role": role, "simulated": False}
        source = Kuribayashi2024(model=model)
        files = locate(kuribayashi2024.raw_files(source), mirror, downloads)
        bits = kuribayashi2024.read(files, source, corpus.stimuli).table(corpus.stimuli)
        fit = fit_reading_times(bits, corpus.stimuli, corpus.responses, "controlled")
        results.append((model, "ns", fit))
    benchmarks = {"ns": {"dataset": "natural-stories", "mode": "controlled"}}
    collected = collect_behaviors(results, model_table(models, []), benchmarks, [])
    return collected["behaviors"], reading_loss(collected["behaviors"], collected["stories"])


def test_r_is_that_of_an_independent_analysis(tables):
    r = tables[0][tables[0]["measure"] == "r"].set_index("model")["value"]
    assert r["Llama-2-7b-hf"] == pytest.approx(0.206, abs=5e-4)
    assert r["Llama-2-7b-chat-hf"] == pytest.approx(0.218, abs=5e-4)


def test_all_five_pairs_gain_and_none_of_it_is_beyond_loss(tables):
    table = tables[1][tables[1]["measure"] == "delta_loglik_per_word"]
    raw = table[table["method"] == "as it is"].set_index("model")
    assert (raw["difference"] > 0).all()
    assert (raw.loc[list(PAIRS), "loss_difference"] > 0).all()
    assert raw.loc["all", "difference"] == pytest.approx(0.0022, abs=1e-4)
    # Over new models it is clear, over new stories as well it is not.
    assert raw.loc["all", "p_these_stimuli"] < 0.001
    assert raw.loc["all", "p"] == pytest.approx(0.160, abs=0.003)
    assert raw.loc["all", "low"] < 0 < raw.loc["all", "high"]
    given = table[table["method"] == "given loss"].set_index("model")
    assert given.loc["all", "n_vanilla"] == 19
    assert given.loc["all", "slope"] == pytest.approx(0.0070, abs=1e-4)
    assert given.loc["all", "difference"] == pytest.approx(-0.0005, abs=1e-4)
    assert given.loc["all", "low"] < 0 < given.loc["all", "high"]
