"""The paper's questions, answered from its published tables."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from brainalign.analysis.verdicts import (
    CORRELATION,
    PARTIAL,
    Answer,
    Answers,
    lacking,
    of_test,
    percent,
)
from brainalign.analysis.wording import p_text, r_text


def published_answers(check: pd.DataFrame) -> Iterator[tuple[str, Answers]]:
    """Questions and answers of `published_check.csv`."""
    by_name = check.drop_duplicates("quantity").set_index("quantity")

    def value(quantity: str) -> float:
        return float(by_name["recomputed"].get(quantity, np.nan))

    def n_of(quantity: str) -> float:
        return float(by_name["n"].get(quantity, np.nan))

    def as_printed(what: str) -> Answer:
        r, p = (f"Pearson {name}, average × {what}, tuned models" for name in "rp")
        over = f"{n_of(r):.0f} tuned models"
        text = f"r = {r_text(value(r))}, {p_text(value(p))} taking models as independent"
        verdict = of_test(value(r), value(p))
        return Answer(
            f"{text}, N = {over}", verdict, value(r), measure=CORRELATION,
            basis=f"over {over} taken as independent", reason=p_text(value(p)),
        )  # fmt: skip

    def partially(what: str, held: str) -> Answer:
        r = f"partial r, average × {what}"
        p = f"p over vanilla models, average × {what}, tuned models"
        over = f"over {n_of(p):.0f} vanilla models"
        text = f"at equal {held}: partial r = {r_text(value(r))}, {p_text(value(p))} {over}"
        return Answer(
            f"{text}, N = {n_of(r):.0f} tuned models", of_test(value(r), value(p)), value(r),
            measure=PARTIAL, basis=f"at equal {held} {over}", reason=p_text(value(p)),
        )  # fmt: skip

    gain = value("mean relative gain over models and datasets")
    pairs, models = (
        "Wilcoxon p, tuned against vanilla average", "Wilcoxon p, one value per base model",
    )  # fmt: skip
    of_pairs = f"Wilcoxon over {n_of(pairs):.0f} pairs taken as independent {p_text(value(pairs))}"
    of_models = f"Wilcoxon over {n_of(models):.0f} vanilla models {p_text(value(models))}"
    yield (
        "Does instruction tuning raise brain alignment?",
        {
            "legacy": Answer(
                f"mean gain {percent(gain)}; {of_pairs}", of_test(gain, value(pairs)),
                reason=f"mean gain {percent(gain)}; {of_pairs}",
            ),
            "controlled": Answer(of_models, of_test(gain, value(models))),
        },
    )  # fmt: skip
    yield (
        "Does alignment grow with size?",
        {
            "legacy": as_printed("log10_parameters"),
            "controlled": partially("log10_parameters given mmlu", "MMLU"),
        },
    )
    yield (
        "Does it grow with world knowledge (MMLU)?",
        {
            "legacy": as_printed("mmlu"),
            "controlled": partially("mmlu given log10_parameters", "size"),
        },
    )
    what = "Pearson r over widths, blank2014 × features of time alone"
    some, all_widths = f"{what}, up to 4096 units", f"{what}, all widths"
    yield (
        "Is the Blank2014 column about language?",
        {
            "legacy": Answer(
                "simulated states that hold time alone follow it: "
                f"r = {r_text(value(some))} over {n_of(some):.0f} widths "
                "up to 4096 units, "
                f"{r_text(value(all_widths))} over all {n_of(all_widths):.0f}"
            ),
            "controlled": lacking("printed score with whole stories held out"),
        },
    )
