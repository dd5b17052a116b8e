"""What a reader of own data has to report, for the data card."""

from dataclasses import dataclass, field


@dataclass
class Findings:
    """Lines for the data card.

    Attributes
    ----------
    changed : a line per change of what the files say.
    made : a line per thing that was made because the files lack it.
    notes : a line per fact that was left as it is.
    dropped : `what`, `n`, `why` of what was left out.
    """

    changed: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dropped: list[dict[str, object]] = field(default_factory=list)
