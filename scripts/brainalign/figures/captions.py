"""Captions: each begins with a title in bold, which menus name a figure or a table by."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import StrictUndefined, Template

NO_PARAMS: Mapping[str, Any] = {}


def caption(path: str | Path, params: Mapping[str, Any] = NO_PARAMS, **wildcards: str) -> str:
    """A caption's reStructuredText, a Jinja template that knows its rule's wildcards and params.

    Snakemake's report fills in the same templates, with the same names.

    Raises
    ------
    jinja2.UndefinedError : the template asks for a name that it is not given.
    """
    text = Path(path).read_text(encoding="utf-8")
    template = Template(text, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    job = SimpleNamespace(wildcards=SimpleNamespace(**wildcards), params=SimpleNamespace(**params))
    return template.render(snakemake=job)


def title(text: str) -> str:
    """The title of a caption: its first words in bold."""
    result = re.match(r"\*\*(.+?)\.?\*\*", text, re.DOTALL)
    if not result:
        raise ValueError(f"a caption begins with a title in bold, this one with {text[:40]!r}")
    return " ".join(result[1].split())


def as_html(text: str) -> str:
    """A caption as paragraphs of HTML."""
    from docutils.core import publish_parts  # other users of this module lack the package

    settings = {"halt_level": 2, "report_level": 2, "raw_enabled": False}
    return publish_parts(text, writer="html5", settings_overrides=settings)["body"].strip()
