"""What alignment is set against (size, accuracy, next-word loss), and what each mode rests on."""

import numpy as np
import pandas as pd

from brainalign.behavior.fits import READ_LOSS

SIZE = "log10_parameters"
LOSS = "bits_per_byte"  # of a running text, which follows after a blank
SENTENCES = "sentences"  # the scoring of minimal pairs
ALL_QUESTIONS = "all"  # the category of all questions of a task
# The models that each mode rests on: the paper's, and one mean per vanilla model (models tuned from
# the same weights are not independent).
MODELS = {"legacy": "tuned", "controlled": "bases"}


def predictors(
    facts: pd.DataFrame,
    capabilities: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    losses: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """A column per x and a row per model, under the names that `correlations` gives them.

    Parameters
    ----------
    facts : `parameters`, indexed by model.
    capabilities, behaviors, losses : the tables, as far as the study has them.

    Returns
    -------
    The values (NaN where a model lacks one), and the names of the columns that are accuracies:
    a task (`mmlu`), or a task and a category of its questions (`mmlu STEM`).
    """
    x = pd.DataFrame({SIZE: np.log10(facts["parameters"].astype(float))}, index=facts.index)
    capability: list[str] = []
    if capabilities is not None:
        for (task, category), part in capabilities.groupby(["task", "category"], sort=False):
            name = str(task) if category == ALL_QUESTIONS else f"{task} {category}"
            x[name] = part.drop_duplicates("model").set_index("model")["accuracy"]
            capability.append(name)
    if behaviors is not None and (behaviors["measure"] == READ_LOSS).any():
        read = behaviors[behaviors["measure"] == READ_LOSS]
        x[READ_LOSS] = read.groupby("model")["value"].mean()
    if losses is not None:
        # A limit in tokens ends the text elsewhere for each tokenizer: words would not be the same.
        for text, part in losses.groupby("text", sort=False):
            x[f"{LOSS} {text}"] = part.set_index("model")["bits_per_byte"]
    return x, capability


def formal_tasks(capabilities: pd.DataFrame | None) -> list[str]:
    """Tasks of formal linguistic competence (minimal pairs) in tables/capabilities.csv; others are
    of functional competence.

    The distinction is that of Mahowald et al. 2024 (Trends in Cognitive Sciences 28:517).
    """
    if capabilities is None:
        return []
    return list(capabilities.loc[capabilities["scoring"] == SENTENCES, "task"].unique())


def correlations_with(
    correlations: pd.DataFrame, y: str, mode: str, simulated: bool
) -> pd.DataFrame:
    """The rows of tables/correlations.csv on one outcome `y`, over all models of a `mode` and
    world.
    """
    return correlations[
        (correlations["y"] == y)
        & (correlations["mode"] == mode)
        & (correlations["simulated"] == simulated)
        & (correlations["subset"] == "all")
    ]
