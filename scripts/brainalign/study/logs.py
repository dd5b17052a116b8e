"""What the logs of a study's jobs say to the one who ran it."""

import re
from collections import Counter
from pathlib import Path

from brainalign.job import CHANGED, WARNING

NUMBER = re.compile(r"\d+(\.\d+)?")
SHOWN = 5  # kinds of warnings


def warnings(folder: str | Path) -> list[str]:
    """The warnings in all logs below a folder: those that differ in numbers alone once, counted.

    Returns
    -------
    A line per kind of warning, the most frequent first and those that only say how a file was read
    last, at most SHOWN and one that says how many more there are.
    """
    root = Path(folder)
    kinds: Counter[str] = Counter()
    example: dict[str, str] = {}
    for path in sorted(root.rglob("*.log")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            _, marked, text = line.partition(f" {WARNING}")
            if marked:
                rule = path.relative_to(root).parts[0].removesuffix(".log")
                kind = f"{rule}: {NUMBER.sub('#', text)}"
                kinds[kind] += 1
                example.setdefault(kind, text)
    ranked = sorted(kinds, key=lambda kind: (example[kind].startswith(CHANGED), -kinds[kind]))
    lines = [
        f"{kinds[kind]} × {kind.partition(':')[0]}: {example[kind]}" for kind in ranked[:SHOWN]
    ]
    if len(kinds) > SHOWN:
        lines.append(f"{len(kinds) - SHOWN} more kinds of warnings")
    return lines


def reason(path: str | Path) -> str:
    """The last line of a job's log, which says why it failed; nothing without a log."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")
