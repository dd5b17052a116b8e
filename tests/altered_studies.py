"""Simulated studies whose text is altered: how often a control passes where the truth is known."""

import numpy as np
import pandas as pd
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.analysis.text_controls import what_is_lost
from brainalign.encoding.alignment import score_model
from brainalign.encoding.features import Features
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.scorers import RegressionScorer
from brainalign.encoding.surrogates import surrogate_features
from brainalign.reading.contexts import chains
from brainalign.reading.text_controls import SURROGATE, alter, altered_context
from brainalign.simulation.subjects import Noise, centred, respond
from encoded_studies import BENCHMARKS, STATE, Design, draw_noise, draw_responses

CONTROLS = (
    "shuffled:sentence", "shuffled:passage", "context:reversed", "context:none", "context:window:8",
    SURROGATE,
)  # fmt: skip
DESIGN = Design(groups=18, rows=8, subjects=6, targets=20)
WORDS, SENTENCE = 40, 5  # of the language; of a sentence


def control_findings(keep: float, related: bool, seed: list[int]) -> dict[str, bool]:
    """Which p of text_controls.csv fall below .05, and which controls pass.

    Responses are to the state after each sentence of a passage, s ← keep · s + the vector of the
    word, or (`related` false) to another state that no text has. A model has the same state of
    whatever it reads, with noise of its own at each reading, beside features without information.
    With keep = 1 the state is blind to order.
    """
    rng = np.random.default_rng(seed)
    state, responses, benchmark = draw_responses(DESIGN, rng)
    stimuli = _stimuli(benchmark.groups, rng)
    vectors = rng.standard_normal((WORDS, STATE))
    if related:
        state = _states(stimuli, "passage", keep, vectors)
        responses = _responses(state, benchmark.groups, rng)
    results = []
    for control in ("", *CONTROLS):
        e, junk = draw_noise(len(state), rng)
        if control == SURROGATE:
            x = surrogate_features(results[0][1], "m", seed[-1])
        else:
            altered = alter(stimuli, control, seed[-1]) if control else stimuli
            context = altered_context(control) or "passage"
            x = np.hstack([_states(altered, context, keep, vectors) + e, junk])
        results.append((f"b-{control}" if control else "b", x))
    tables = collect_scores(
        (
            (
                "m",
                name,
                score_model(
                    lambda _, x=x: [("l", Features(x))],
                    ["l"],
                    RegressionScorer(responses, benchmark),
                ),
            )
            for name, x in results
        ),
        {},
        model_table({"m": {"base": None, "family": "F", "role": "vanilla", "simulated": True}}, []),
        {name: BENCHMARKS["b"] for name, _ in results},
        [],
    )
    controls = {f"b-{control}": ("b", control) for control in CONTROLS}
    table = what_is_lost(tables["scores"], tables["subjects"], controls).set_index("control")
    result = {f"{control}, p": bool(table.loc[control, "p"] < 0.05) for control in CONTROLS}
    return result | {
        f"{control}, passed": bool(table.loc[control, "passed"]) for control in CONTROLS
    }


def _stimuli(groups: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """A sentence of random words a row, in passages of the benchmark's groups."""
    words = rng.integers(WORDS, size=(len(groups), SENTENCE))
    return pd.DataFrame(
        {
            "stimulus_id": [f"{i:05d}" for i in range(len(groups))],
            "text": [" ".join(f"w{i}" for i in rows) + "." for rows in words],
            "context_group": groups,
        }
    )


def _states(stimuli: pd.DataFrame, context: str, keep: float, vectors: np.ndarray) -> np.ndarray:
    """The state [row, STATE] after each stimulus in its context, of standard deviation 1."""
    made = np.zeros((len(stimuli), STATE))
    for chain in chains(stimuli, context):
        for row, end in zip(chain.rows, chain.ends, strict=True):
            for word in chain.text[:end].replace(".", "").split():
                made[row] = keep * made[row] + vectors[int(word[1:])]
    return (made - made.mean(axis=0)) / made.std(axis=0)


def _responses(state: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> Responses:
    names = groups.tolist()
    drawn = respond(
        [centred(state, names)] * DESIGN.subjects, names, names, DESIGN.targets,
        Noise(1.0, 0.3, 0.8), rng,
    )  # fmt: skip
    ids = np.array([f"t{i}" for i in range(drawn.subject.size)])
    return Responses(drawn.values, Targets(ids, drawn.subject, np.full(ids.size, "r")))
