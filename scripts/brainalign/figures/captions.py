"""Captions: each begins with a title in bold, which menus name a figure or a table by."""

import re
from pathlib import Path

TEMPLATE = re.compile(r"\{\{ snakemake\.wildcards\.(\w+) \}\}")


def caption(path: str | Path, **wildcards: str) -> str:
    """A caption's reStructuredText, its rule's wildcards filled in."""
    text = Path(path).read_text(encoding="utf-8")
    return TEMPLATE.sub(lambda result: wildcards[result[1]], text)


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
