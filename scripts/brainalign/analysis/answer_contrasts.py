"""Tuned minus vanilla accuracy: both models of a pair answered the same questions."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from brainalign.analysis.crossed import scope_text
from brainalign.analysis.pair_means import Row, mean_rows, named_pairs
from brainalign.analysis.pairs import Members, Pairs, pairs_of
from brainalign.analysis.proportions import mcnemar_p, paired_interval


def answer_contrasts(tuned: pd.DataFrame, capabilities: pd.DataFrame) -> Iterator[Row]:
    """Tuned minus vanilla accuracy of every task and category: pairs, families, all.

    A pair is tested over its questions (`mcnemar_p`, `paired_interval`), as both models answered
    the same ones; where a task is averaged over files the test pools their questions.

    Parameters
    ----------
    tuned : `base`, `family`; indexed by tuned model.
    capabilities : table of `collect.collect_capabilities`.

    Yields
    ------
    Rows of tables/contrasts.csv.
    """
    key = ["simulated", "task", "category"]
    for (simulated, task, category), part in capabilities.groupby(key, sort=False):
        facts = tuned[tuned.index.isin(part["model"])]
        if facts.empty:
            continue
        members = Members.of(facts)
        values = part.assign(value=part["accuracy"], benchmark=str(task), note="")
        pairs = pairs_of(facts, values, pd.DataFrame())
        about = {
            "benchmark": task, "dataset": category, "kind": "capability", "measure": "accuracy",
            "mode": "legacy" if (part["scoring"] == "legacy").all() else "controlled",
            "simulated": simulated,
        }  # fmt: skip
        unknown = np.full(len(facts), np.nan)
        answers = named_pairs(members, _answer_rows(pairs, members, part.set_index("model")))
        means = mean_rows(pairs, [pairs], members, unknown)
        for row in (*answers, *({**row, **_these_questions(row)} for row in means)):
            yield {**about, **row}


def _these_questions(row: Row) -> Row:
    """Accuracy over vanilla models: new models, but the questions at hand."""
    new = not np.isnan(row.get("p_these_stimuli", np.nan))
    return {"scope": scope_text(vanilla_models=new, questions=False), "n_stimuli": 0}


def _answer_rows(pairs: Pairs, members: Members, answers: pd.DataFrame) -> Iterator[Row]:
    """McNemar's test and Newcombe's interval of every pair, over questions."""
    for i, note in enumerate(pairs.notes):
        row: Row = {
            "absolute": pairs.absolute[i], "relative": pairs.relative[i], "test": "none",
            "unit": "questions", "scope": scope_text(questions=not note), "note": note,
        }  # fmt: skip
        if not note:
            of_tuned, of_base = (answers.loc[m] for m in (members.tuned[i], members.bases[i]))
            both, gained, lost = (int(of_tuned[f"n_{k}"]) for k in ("both", "gained", "lost"))
            p = mcnemar_p(gained, lost)
            ends = [(m["accuracy"], m["low"], m["high"]) for m in (of_tuned, of_base)]
            counts = (both, gained, lost, int(of_tuned["n"]) - both - gained - lost)
            row["low"], row["high"] = paired_interval(ends[0], ends[1], counts)
            row |= {"n": int(of_tuned["n"]), "p": p}
            row |= (
                {"note": "both models answer every question alike"} if np.isnan(p)
                else {"test": "mcnemar"}
            )  # fmt: skip
        yield row
