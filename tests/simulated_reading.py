"""Simulated reading times of single readers, in several presentations: what the tests find.

As `simulated_studies.py`, for measures of single readers and contrasts of presentations.
"""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from simulated_studies import Findings, Plant, _models, pair_contrasts

MODEL = {"slopes": ["bits"], "items": "word"}
MEASURES = ("delta_loglik_per_word", "delta_loglik_per_observation")
FAMILIES = Plant(tuned_per_base=1, families=(("A", (8.0, 8.5, 9.0)), ("B", (9.0, 9.5, 10.0))))


def read(
    rng: np.random.Generator,
    stories: int,
    words: int,
    readers: int,
    slope: float,
    reader_sd: float,
    stories_read: int | None = None,
) -> tuple[pd.DataFrame, xr.Dataset, np.ndarray]:
    """Stimuli, times of single readers, and the bits that slow them: by `slope` ms on average, with
    a standard deviation of `reader_sd` between readers, each of whom reads `stories_read` stories.

    Words are slow or fast for all readers, and readers differ in speed.
    """
    n = stories * words
    story = np.repeat(np.arange(stories), words)
    length = rng.integers(1, 12, n).astype(float)
    bits = 6 + 0.5 * length + rng.normal(0, 2, n)
    slopes = slope + rng.normal(0, reader_sd, readers)
    times = 300 + 3 * length[:, None] + (bits[:, None] - bits.mean()) * slopes
    times += rng.normal(0, 40, readers) + rng.normal(0, 20, (n, 1))
    times += rng.normal(0, 10, stories)[story][:, None] + rng.normal(0, 60, (n, readers))
    if stories_read is not None:
        chosen = [rng.permutation(stories)[:stories_read] for _ in range(readers)]
        for reader, part in enumerate(chosen):
            times[~np.isin(story, part), reader] = np.nan
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"w{i}" for i in range(n)],
            "context_group": [f"story{s}" for s in story], "length": length,
            "word_in_sentence": np.tile(np.arange(words) % 15 + 1, stories),
        }
    )  # fmt: skip
    names = [f"r{i}" for i in range(readers)]
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), times)},
        coords={"target_id": ("target", names)}, attrs={"kind": "reading-times"},
    )  # fmt: skip
    return stimuli, responses, bits


def fitted(
    stimuli: pd.DataFrame, responses: xr.Dataset, bits: np.ndarray, **options: Any
) -> pd.DataFrame:
    """The fit of one model's surprisal, length alone held fixed."""
    from worlds.entries import fit_reading_times

    surprisal = stimuli[["stimulus_id"]].assign(bits=bits)
    return fit_reading_times(
        surprisal, stimuli, responses, "controlled", covariates=["length"], spillover=0, **options
    )


def single_reader_findings(
    slope: float,
    readers: int,
    stories_read: int | None,
    reader_sd: float,
    held_out: bool,
    seed: list[int],
    stories: int = 6,
    words: int = 40,
) -> Findings:
    """Whether surprisal that slows readers by `slope` ms per bit on average seems to have a part.

    Readers differ in how it slows them, so that these readers are another matter than new ones.
    `held_out`: whether the mixed model is scored on stories that are held out.
    """
    world = read(
        np.random.default_rng(seed), stories, words, readers, slope, reader_sd, stories_read
    )
    stimuli, responses, bits = world
    table = fitted(stimuli, responses, bits, mixed_model=MODEL | {"held_out": held_out})
    rows = table[table["kind"] == "all"].set_index("measure")
    mean = responses.mean("target", keep_attrs=True).expand_dims(target=["mean"], axis=1)
    mean = mean.assign_coords(target_id=("target", ["mean"])).drop_vars("target")
    alone = fitted(stimuli, mean, bits)
    alone = alone[alone["kind"] == "all"].set_index("measure")
    result = {
        f"{name}, interval over {over} excludes 0": bool(row["low"] > 0 or row["high"] < 0)
        for name, measure in (("partial r", "partial_r"), ("slope", "slope_ms_per_bit"))
        for over, row in (
            ("stories and readers", rows.loc[measure]), ("stories alone", alone.loc[measure]),
        )
    }  # fmt: skip
    wald = rows.loc["mixed_slope_ms_per_bit"]
    result["mixed model's slope, interval excludes 0"] = bool(wald["low"] > 0 or wald["high"] < 0)
    for name, measure in (
        ("Δ per word", "delta_loglik_per_word"),
        ("Δ per observation", "delta_loglik_per_observation"),
        ("mixed model's Δ", "mixed_delta_loglik_per_observation"),
    ):
        if measure in rows.index:
            result[f"{name}, interval above 0"] = bool(rows.loc[measure, "low"] > 0)
    return result


def mixed_pair_findings(
    better: float, seed: list[int], stories: int = 6, words: int = 40, readers: int = 8
) -> Findings:
    """Whether contrasts tell two models' fits to single times apart.

    Their surprisals have independent errors, the tuned model's by the share `better` smaller.
    """
    rng = np.random.default_rng(seed)
    stimuli, responses, bits = read(rng, stories, words, readers, 4.0, 1.5)
    results = [
        (name, "b", fitted(stimuli, responses, noisy, mixed_model=MODEL))
        for name, error in (("v", 3.0), ("t", 3.0 * (1 - better)))
        for noisy in [bits + rng.normal(0, error, len(bits))]
    ]
    pair = pair_contrasts(results, {"b": {"dataset": "d", "mode": "controlled"}})["controlled"]
    return {
        f"one pair, {name}": bool(pair[measure] < 0.05)
        for name, measure in (
            ("Δ per word", "delta_loglik_per_word"),
            ("Δ per observation", "delta_loglik_per_observation"),
            ("mixed model's Δ", "mixed_delta_loglik_per_observation"),
        )
    }


def presentation_findings(
    tuning: float, chat: float, stimulus_sd: float, seed: list[int], stories: int = 10
) -> Findings:
    """What contrasts of presentations find: 6 pairs of two families, raw and in a chat template.

    A tuned model and its vanilla partner share a deviation; each model has another one from the
    effect of tuning and of the template; stories favour tuned models, and the template, at random
    (`stimulus_sd`).
    """
    from brainalign.analysis.presentations import presentation_contrasts

    rng = np.random.default_rng(seed)
    facts = _models(FAMILIES)
    easy, of_tuned, of_chat = rng.normal(0, np.array([[0.02], [1], [1]]), (3, stories))
    records, parts = {}, []
    shared = {base: rng.normal(0, 0.005) for base in facts.index[facts["role"] == "vanilla"]}
    for name, model in facts.iterrows():
        part = shared[model["anchor"]]
        if model["role"] == "tuned":
            part = part + tuning + rng.normal(0, 0.002) + stimulus_sd * of_tuned
        for presentation in ("raw", "chat"):
            fits = 0.03 + part + easy + rng.normal(0, 0.003, stories)
            if presentation == "chat":
                fits = fits + chat + rng.normal(0, 0.002) + stimulus_sd * of_chat
            title = name if presentation == "raw" else f"{name}-as-chat"
            records[title] = {
                "presented": name, "presentation": presentation, "base": model["base"],
                "family": model["family"],
            }  # fmt: skip
            parts += [{"model": title, "group": s, "value": v} for s, v in enumerate(fits)]
    stories_table = pd.DataFrame(parts).assign(
        kind="story", n=100, measure=MEASURES[0], dataset="d", benchmark="b", mode="controlled",
        simulated=True,
    )  # fmt: skip
    means = stories_table.groupby("model", as_index=False, sort=False)["value"].mean()
    behaviors = means.assign(
        measure=MEASURES[0], dataset="d", benchmark="b", mode="controlled", simulated=True,
        low=0.01, note="",
    )  # fmt: skip
    table = presentation_contrasts(records, behaviors=behaviors, stories=stories_table)
    table = table[table["presentation"] == "chat"]
    actual: Findings = {}
    for name, comparison in (("tuned - vanilla, in chat", "tuned - vanilla"),
                             ("chat - raw, same weights", "presentation - first")):  # fmt: skip
        part = table[table["comparison"] == comparison]
        full = part[(part["level"] == "overall") & (part["unit"] == "bases")].iloc[0]
        actual[f"{name}: one model, which differs by .002"] = bool(
            part[part["level"] == "pair"]["p"].iloc[0] < 0.05
        )
        actual[f"{name}: over models"] = bool(full["p"] < 0.05)
        actual[f"{name}: over models, these stories"] = bool(full["p_these_stimuli"] < 0.05)
    return actual


def measures_findings(tuning: float, seed: list[int], stories: int = 10) -> Findings:
    """Whether any of three measures on two datasets seems to gain beyond loss, in 6 pairs.

    Models' deviations from the line go together between measures (r = .7), as measures of one fit
    do; `tuning` moves all of them.
    """
    from brainalign.analysis.reading_loss import reading_loss
    from brainalign.behavior.fits import GAINS

    rng = np.random.default_rng(seed)
    facts = _models(FAMILIES)
    complete, parts = [], []
    losses = {name: rng.uniform(5.2, 6.9) for name in facts.index}
    for dataset in ("reading", "listening"):
        favours = rng.normal(0, 0.004, (len(GAINS), stories))
        for name, model in facts.iterrows():
            tuned = model["role"] == "tuned"
            bits = losses[model["base"]] + 0.4 if tuned else losses[name]
            common = 0.7**0.5 * rng.normal()
            about = {
                "model": name, "role": model["role"], "base": model["base"],
                "family": model["family"], "dataset": dataset, "benchmark": dataset,
                "mode": "controlled", "simulated": True,
            }  # fmt: skip
            complete.append({**about, "measure": "mean_bits", "value": bits})
            for k, measure in enumerate(GAINS):
                fit = 0.007 * bits + 0.001 * (common + 0.3**0.5 * rng.normal()) + tuned * tuning
                fits = fit + tuned * favours[k] + rng.normal(0, 0.003, stories)
                complete.append({**about, "measure": measure, "value": fits.mean()})
                parts += [
                    {**about, "measure": measure, "kind": "story", "group": s, "value": v, "n": 100}
                    for s, v in enumerate(fits)
                ]
    table = reading_loss(pd.DataFrame(complete), pd.DataFrame(parts))
    given = table[(table["model"] == "all") & (table["method"] == "given loss")]
    return {
        "given loss, one measure": bool(given["p"].iloc[0] < 0.05),
        "given loss, any of six, unadjusted": bool(given["p"].min() < 0.05),
        "given loss, any of six, after adjustment": bool(given["p_adjusted"].min() < 0.05),
    }
