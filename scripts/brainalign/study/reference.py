"""The config's reference for people (docs/config.md) and for editors (a JSON Schema).

Both are generated from the classes of the settings: `python -m brainalign.study.reference` writes
them (`make schema`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import msgspec
from msgspec import inspect

from brainalign.settings import allowed, plain, tag_keys
from brainalign.study.settings import Study

REPOSITORY = Path(__file__).parents[3]
SCHEMA, PAGE = Path("resources/config.schema.json"), Path("docs/config.md")
HEAD = """# The config, key by key

This page is generated from the classes of the settings (`make schema`). A study is one YAML file:
`config.yaml`, or the one given with `--configfile`. `resources/config.schema.json` says the same
to an editor that checks YAML.

A bold key has to be given. A section maps names (letters, digits, hyphens, dots) to entries.
"""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a study's config."""
    schema = msgspec.json.schema(Study)
    made: dict[str, Any] = _for_editors(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "study"} | made


def _for_editors(value: Any) -> Any:
    """msgspec's schema with two keys in place of a tag that names both."""
    if isinstance(value, list):
        return [_for_editors(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {k: _for_editors(v) for k, v in value.items() if k not in ("discriminator", "title")}
    properties = made.get("properties", {})
    for name, entry in list(properties.items()):
        if (
            isinstance(entry, dict)
            and len(entry.get("enum", ())) == 1
            and " " in str(entry["enum"])
        ):
            first, *rest = str(entry["enum"][0]).split(" ")
            more = dict(part.split("=") for part in rest)
            tags = {name: first, **more}
            properties |= {key: {"enum": [tag]} for key, tag in tags.items()}
            made["required"] = [*tags, *(key for key in made.get("required", ()) if key != name)]
    return made


def page() -> str:
    """docs/config.md."""
    info = inspect.type_info(Study)
    assert isinstance(info, inspect.StructType)
    lines = [HEAD, "## Top level", "", *_table(info)]
    told: set[str] = set()
    for field in info.fields:
        structs = list(_structs(field.type))
        if not structs:
            continue
        lines += ["", f"## `{field.encode_name}`", ""]
        for struct in structs:
            lines += _section(struct, "", told)
    return "\n".join(lines).rstrip() + "\n"


def _section(struct: inspect.StructType, key: str, told: set[str]) -> Iterator[str]:
    """A class: its heading and table, then the classes that its keys hold."""
    name = struct.cls.__name__
    if name in told:
        return
    told.add(name)
    title = ", ".join(f"{key}: {value}" for key, value in tag_keys(struct).items())
    if key:
        yield f"### `{key}`{f': `{title}`' if title else ''}"
        yield ""
    elif title:
        yield f"### `{title}`"
        yield ""
    yield fill(" ".join((struct.cls.__doc__ or "").split()), 100)
    yield ""
    if struct.fields:
        yield from _table(struct)
        yield ""
    for field in struct.fields:
        for inner in _structs(field.type):
            yield from _section(inner, field.encode_name, told)


def _table(struct: inspect.StructType) -> Iterator[str]:
    yield "| key | takes | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for field in struct.fields:
        name = f"**`{field.encode_name}`**" if field.required else f"`{field.encode_name}`"
        about = _about(field.type)
        takes = about.get("title") or _takes(field.type)
        cells = (name, takes, _default(field), about.get("description", ""))
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _takes(info: inspect.Type) -> str:
    """What a key takes; classes are described further down."""
    structs = list(_structs(info))
    if not structs:
        return allowed(info)
    tags = {key for struct in structs for key in list(tag_keys(struct))[:1]}
    named = isinstance(info.type if isinstance(info, inspect.Metadata) else info, inspect.DictType)
    by = f", by `{tags.pop()}`" if len(tags) == 1 and not named else ""
    return "entries by name" if named else f"a mapping{by}"


def _default(field: inspect.Field) -> str:
    if field.required or field.default_factory is not msgspec.NODEFAULT:
        return ""
    value = plain(field.default)
    return "" if value is None else f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_yaml(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value)


def _about(info: inspect.Type) -> Mapping[str, Any]:
    """Title and description of a type, its own or (of `X | None`) those of X."""
    if isinstance(info, inspect.Metadata):
        return info.extra_json_schema or {}
    if isinstance(info, inspect.UnionType):
        for member in info.types:
            if found := _about(member):
                return found
    return {}


def _structs(info: inspect.Type) -> Iterator[inspect.StructType]:
    """The classes that a key holds: itself, of a union, of a mapping's or list's entries."""
    if isinstance(info, inspect.Metadata):
        yield from _structs(info.type)
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            yield from _structs(member)
    elif isinstance(info, inspect.DictType):
        yield from _structs(info.value_type)
    elif isinstance(info, inspect.StructType):
        yield info


def write(folder: Path = REPOSITORY) -> None:
    """Write both files below a folder."""
    schema = json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"
    (folder / SCHEMA).write_text(schema, encoding="utf-8")
    (folder / PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
