"""Which models each page of a figure with a row per model shows."""

from collections.abc import Iterator
from itertools import groupby

from brainalign.study.models import Models, StudyModel, parent, partner, role

ROWS = 40  # of a page, beside the baselines that all pages have
FEATURES = ("baseline", "truth")


def figure_pages(models: Models) -> list[list[str]]:
    """Names of the models of each page; a single page is of all models, and its list is empty.

    Up to `ROWS` networks are one page. Of more, families stay whole as far as they fit one page, in
    alphabetical order. A count of tokens is beside its model, and so are the further presentations
    of a model, which have a row in one figure alone. All other baselines, and planted features, are
    on every page.
    """
    common = [name for name, model in models.items() if _is_common(model)]
    presented: dict[str, list[str]] = {}
    for name, model in models.items():
        if role(model) == "presentation":
            presented.setdefault(str(model.presented), []).append(name)
    pieces = list(_pieces(models))
    if sum(map(len, pieces)) <= ROWS:
        return [[]]
    pages: list[list[str]] = []
    for piece in pieces:
        if not pages or len(pages[-1]) + len(piece) > ROWS:
            pages.append([])
        pages[-1] += piece
    return [
        [*page, *(other for name in page for other in presented.get(name, [])), *common]
        for page in pages
    ]


def families_of(page: list[str], models: Models) -> list[str]:
    """The families of a page's networks, in its order."""
    networks = (name for name in page if not _is_common(models[name]))
    return list(dict.fromkeys(_family(name, models) for name in networks))


def _is_common(model: StudyModel) -> bool:
    return role(model) in FEATURES and parent(model) is None


def _pieces(models: Models) -> Iterator[list[str]]:
    """Names of models that stay together: a family, or one base's where a family is too large."""
    rows = [n for n, m in models.items() if not _is_common(m) and role(m) != "presentation"]
    rows.sort(key=lambda name: (_family(name, models), _base(name, models)))
    for _, family in groupby(rows, lambda name: _family(name, models)):
        names = list(family)
        if len(names) <= ROWS:
            yield names
            continue
        for _, group in groupby(names, lambda name: _base(name, models)):
            members = list(group)
            yield from (members[i : i + ROWS] for i in range(0, len(members), ROWS))


def _base(name: str, models: Models) -> str:
    """The model that a model comes from at last, by tuning, as a twin or as a count of tokens."""
    seen = {name}
    while (of := partner(models[name]) or parent(models[name])) in models and of not in seen:
        name = str(of)
        seen.add(name)
    return name


def _family(name: str, models: Models) -> str:
    base = _base(name, models)
    return str(models[base].family or base)
