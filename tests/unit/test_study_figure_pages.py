"""Pages of figures with a row per model: every model once, families together, no page too long."""

from brainalign.study.figure_pages import ROWS, families_of, figure_pages
from brainalign.study.models import role
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from worlds.study_models import models_of


def study(families):
    """Models of families (vanilla models, tuned ones of each), a twin each, and baselines."""
    models = {
        "oasm": {"source": {"type": "baseline", "kind": "oasm"}},
        "truth": {"source": {"type": "baseline", "kind": "truth"}},
    }
    for family, (sizes, tuned) in families.items():
        for size in range(sizes):
            base = f"{family}-{size}"
            models[base] = {"source": {"type": "hub"}, "family": family}
            for partner in range(tuned):
                # A tuned model may be filed under another family: it stays beside its base.
                models[f"{base}-t{partner}"] = {
                    "source": {"type": "hub"}, "base": base, "family": f"tuned-{partner}",
                }  # fmt: skip
        models[f"{family}-twin"] = {"source": {"type": "untrained", "of": f"{family}-0"}}
    return models_of(models)


def networks(models):
    return [name for name, model in models.items() if role(model) not in ("baseline", "truth")]


def test_up_to_forty_networks_are_one_page_of_all():
    assert figure_pages({}) == [[]]
    assert figure_pages(study({"a": (1, 0)})) == [[]]
    assert figure_pages(study({"a": (6, 1), "b": (6, 1), "c": (6, 1)})) == [[]]  # 39
    assert len(networks(study({"a": (6, 1), "b": (6, 1), "c": (6, 1)}))) == 39
    more = study({"a": (6, 1), "b": (6, 1), "c": (6, 1), "d": (1, 0)})
    assert len(networks(more)) == 41 and len(figure_pages(more)) == 2


def test_families_stay_together_in_alphabetical_order_and_baselines_are_everywhere():
    models = study({name: (5, 1) for name in "jihgfedcba"})
    pages = figure_pages(models)
    assert [families_of(page, models) for page in pages] == [
        list("abc"), list("def"), list("ghi"), ["j"],
    ]  # fmt: skip
    assert all({"oasm", "truth"} <= set(page) for page in pages)


def test_a_family_larger_than_a_page_is_cut_between_its_vanilla_models():
    models = study({"big": (9, 6), "small": (1, 1)})
    pages = figure_pages(models)
    of = {name: i for i, page in enumerate(pages) for name in page}
    assert len(pages) == 2
    for name, model in models.items():
        if model.base:
            assert of[name] == of[model.base]


def test_counts_of_tokens_and_presentations_are_beside_their_model():
    models = study({name: (5, 1) for name in "abcdefgh"})
    counts = {"counts": {"source": {"type": "baseline", "kind": "tokens", "of": "f-3"}}}
    models |= models_of(counts)
    models["b-1-as-chat"] = replace(
        models["b-1"], known_role="presentation", presented="b-1", presentation="chat"
    )
    pages = figure_pages(models)
    for name, beside in (("counts", "f-3"), ("b-1-as-chat", "b-1")):
        (page,) = (page for page in pages if name in page)
        assert beside in page


@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=3),
        st.tuples(st.integers(1, 12), st.integers(0, 5)),
        max_size=12,
    )
)
def test_every_model_has_one_row_and_no_page_is_too_long(families):
    models = study(families)
    pages = figure_pages(models)
    rows = networks(models)
    if len(rows) <= ROWS:
        assert pages == [[]]
        return
    listed = [name for page in pages for name in page if name in rows]
    assert sorted(listed) == sorted(rows)
    assert all(len(set(page) & set(rows)) <= ROWS for page in pages)
