"""Keys that a YAML file gives twice in one mapping: YAML readers keep the last, silently."""

from collections.abc import Iterator
from pathlib import Path

import yaml


def duplicate_keys(config_path: str | Path) -> list[str]:
    """A line for each key that a config gives twice."""
    root = yaml.compose(Path(config_path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return [f"{config_path}: {line}" for line in _duplicates(root, "")] if root else []


def _duplicates(node: yaml.Node, path: str) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = f"{path}.{key.value}" if path else str(key.value)
            line = key.start_mark.line + 1
            if name in lines:
                yield f"{name}: given twice, in lines {lines[name]} and {line}; names are unique"
            lines[name] = line
            yield from _duplicates(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _duplicates(value, f"{path}[{index}]")
