"""Pages of HTML, from the templates in report/; what is filled in is escaped."""

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from brainalign.figures.captions import as_html
from brainalign.resources import CAPTIONS


def render(template: str, **values: Any) -> str:
    """A page: the template report/`template` with values filled in.

    Texts are escaped unless the template calls them `safe`. It can use `part(file)`, a style sheet
    or script of report/, and the filters `anchor` (the id of a heading) and `html` (a caption in
    reStructuredText).
    """
    return _templates().get_template(template).render(**values) + "\n"


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(CAPTIONS), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.globals["part"] = _part
    templates.filters |= {"anchor": _anchor, "html": as_html}
    return templates


def _part(name: str) -> str:
    return (CAPTIONS / name).read_text(encoding="utf-8")


def _anchor(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
