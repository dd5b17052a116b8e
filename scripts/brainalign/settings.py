"""Settings as types: each part of a study's config is a frozen class that says what it takes.

A class gives the names, types, bounds, defaults and meaning of its keys. `faults` compares a part
of a config with its class and names every fault; `read` makes an object of the class.

A union of classes is chosen by their tag, the value of the key `type` (`scheme`, `method`, `mode`).
A tag `baseline kind=oasm` names the value of a second key, too.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from brainalign.errors import InputError

T = TypeVar("T")
Info = inspect.Type


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a study's config.

    Rules between keys are checked in `__post_init__`, which raises an `InputError` that begins with
    the key at fault.
    """


S = TypeVar("S", bound=Settings)


def key(
    meaning: str,
    *,
    allowed: str | None = None,
    unique: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    multiple_of: int | None = None,
    min_length: int | None = None,
    pattern: str | None = None,
    names: str | None = None,
) -> msgspec.Meta:
    """What a key means in one line, its bounds, and (`allowed`) how these are said in words.

    names : the kind of entry of the study that the text (or each of a list) is the name of.
    """
    return msgspec.Meta(
        extra=None if names is None else {"names": names},
        description=meaning or None,
        title=allowed,
        extra_json_schema={"uniqueItems": True} if unique else None,
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        multiple_of=multiple_of,
        min_length=min_length,
        pattern=pattern,
    )


def read(value: object, kind: type[T], path: str = "") -> T:
    """An object of a class (or of a union of classes) from a part of a config.

    Raises
    ------
    InputError : the first fault.
    """
    for fault in faults(value, kind, path):
        raise InputError(fault)
    return msgspec.convert(_with_tags(value, _info(cast(Any, kind))), kind)


def plain(settings: object) -> Any:
    """Settings as mappings, lists and numbers, as `read` takes them; defaults are filled in."""
    return _with_keys(msgspec.to_builtins(settings))


def references(value: object, kind: Any) -> Iterator[tuple[str, str, str]]:
    """Key, kind of entry and name for each name of another entry in a part of a config.

    The part has no faults, and may lack keys.
    """
    yield from _references(value, _info(kind), "")


def _references(value: Any, info: Info, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(info, inspect.Metadata) and info.extra:
        names = [value] if isinstance(value, str) else value
        yield from ((path, info.extra["names"], name) for name in names)
    elif isinstance(info, inspect.Metadata):
        yield from _references(value, info.type, path)
    elif isinstance(info, inspect.UnionType):
        if (member := _member(value, info)) is not None:
            yield from _references(value, member, path)
    elif isinstance(info, inspect.StructType):
        for field in info.fields:
            if field.encode_name in value:
                inner = _join(path, field.encode_name)
                yield from _references(value[field.encode_name], field.type, inner)
    elif isinstance(info, inspect.DictType):
        for name, entry in value.items():
            yield from _references(name, info.key_type, path)
            yield from _references(entry, info.value_type, _join(path, name))
    elif isinstance(info, SEQUENCES):
        for item, item_type in zip(value, _items(value, info), strict=True):
            yield from _references(item, item_type, path)


def _member(value: object, info: inspect.UnionType) -> Info | None:
    """The type of a union that a value has; None where its form does not tell."""
    members = [member for member in info.types if _is_of_kind(value, member)]
    structs = [member for member in members if isinstance(member, inspect.StructType)]
    if len(structs) > 1 and isinstance(value, Mapping):
        return choose(value, structs)[0]
    return (structs or members)[0] if len(structs or members) == 1 else None


@cache
def _info(kind: Any) -> Info:
    return inspect.type_info(kind)


def faults(value: object, kind: Any, path: str = "") -> Iterator[str]:
    """A line for each fault of a part of a config: its key, what was given, what is allowed."""
    yield from _faults(value, _info(kind), path)


def _faults(value: object, info: Info, path: str) -> Iterator[str]:
    about: Mapping[str, Any] = {}
    if isinstance(info, inspect.Metadata):
        about, info = info.extra_json_schema or {}, info.type
    if isinstance(info, inspect.UnionType):
        members = [member for member in info.types if _is_of_kind(value, member)]
        structs = [member for member in members if isinstance(member, inspect.StructType)]
        if len(structs) > 1 and isinstance(value, Mapping):
            yield from _tagged_faults(value, structs, path)
            return
        if len(members) == 1 and not isinstance(value, str | int | float | None):
            yield from _faults(value, members[0], path)
            return
        if not members or all(any(_faults(value, member, path)) for member in members):
            yield _not_allowed(path, value, about.get("title") or allowed(info))
    elif isinstance(info, inspect.StructType) and isinstance(value, Mapping):
        yield from _struct_faults(value, info, path)
    elif isinstance(info, inspect.DictType) and isinstance(value, Mapping):
        if len(value) < (info.min_length or 0):
            yield f"{path}: is empty, expected one or more entries"
        for name, entry in value.items():
            if any(_faults(name, info.key_type, path)):
                yield f"{path}: name {name!r} is not allowed; {allowed(info.key_type)}"
            yield from _faults(entry, info.value_type, _join(path, name))
    elif isinstance(info, SEQUENCES) and isinstance(value, list | tuple):
        yield from _sequence_faults(value, info, about, path)
    elif not _is_of_kind(value, info) or not _converts(value, info):
        yield _not_allowed(path, value, about.get("title") or allowed(info))


SEQUENCES = (inspect.VarTupleType, inspect.TupleType, inspect.ListType)


def _sequence_faults(
    value: Sequence[object], info: Any, about: Mapping[str, Any], path: str
) -> Iterator[str]:
    items = _items(value, info)
    if len(value) != len(items):
        yield _not_allowed(path, value, f"{len(items)} values")
        return
    if len(value) < (getattr(info, "min_length", None) or 0):
        yield f"{path}: is empty, expected one or more values"
    for index, (item, kind) in enumerate(zip(value, items, strict=True)):
        yield from _faults(item, kind, _join(path, index))
    if about.get("uniqueItems"):
        for item in value:
            if value.count(item) > 1:
                yield f"{path}: {item!r} is given twice"
                return


def _items(value: Sequence[object], info: Any) -> list[Info]:
    """The type of each item of a list."""
    fixed = getattr(info, "item_types", None)
    return [info.item_type] * len(value) if fixed is None else list(fixed)


def _struct_faults(
    value: Mapping[Any, object],
    info: inspect.StructType,
    path: str,
    others: Sequence[inspect.StructType] = (),
) -> Iterator[str]:
    """Faults of a mapping that is to be one class; `others`: the rest of its union."""
    tags = tag_keys(info)
    fields = {field.encode_name: field for field in info.fields}
    known = sorted([*fields, *tags])
    faulty = False
    for name in value:
        if name not in known:
            faulty = True
            yield f"{path or '(top level)'}: {_unknown_key(str(name), known, others)}"
    missing = [n for n, field in fields.items() if field.required and n not in value]
    if missing:
        faulty = True
        yield f"{path or '(top level)'}: key {', '.join(map(repr, missing))} is missing"
    for name, field in fields.items():
        if name in value:
            for fault in _faults(value[name], field.type, _join(path, name)):
                faulty = True
                yield fault
    if not faulty and hasattr(info.cls, "__post_init__"):
        try:
            msgspec.convert(_with_tags(value, info), info.cls)
        except msgspec.ValidationError as error:
            yield _join(path, str(error.__cause__ or error))


def _unknown_key(name: str, known: list[str], others: Sequence[inspect.StructType]) -> str:
    owners = [_last_tag(o) for o in others if name in (field.encode_name for field in o.fields)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    if owners:
        hint = f"it is a key of {', '.join(owners)}; "
    return f"unknown key {name!r}; {hint}allowed: {', '.join(known)}"


def _tagged_faults(
    value: Mapping[Any, object], members: Sequence[inspect.StructType], path: str
) -> Iterator[str]:
    member, key, tags = choose(value, members)
    if member is not None:
        first = str(member.tag_field)
        alike = [m for m in members if tag_keys(m)[first] == tag_keys(member)[first]]
        others = [m for m in (alike if len(alike) > 1 else members) if m is not member]
        yield from _struct_faults(value, member, path, others)
    elif key not in value:
        yield f"{path}: key {key!r} is missing; allowed: {', '.join(tags)}"
    else:
        yield _not_allowed(_join(path, key), value[key], ", ".join(tags))


def choose(
    value: Mapping[Any, object], members: Sequence[inspect.StructType]
) -> tuple[inspect.StructType | None, str, list[str]]:
    """The class among `members` that a mapping names by its tags.

    Returns
    -------
    The class, or None and the key at fault with the values that it may have.
    """
    first = str(members[0].tag_field)
    tags = {id(member): tag_keys(member) for member in members}
    chosen = [m for m in members if tags[id(m)][first] == value.get(first)]
    if not chosen:
        return None, first, list(dict.fromkeys(tags[id(m)][first] for m in members))
    seconds = [key for m in chosen for key in tags[id(m)] if key != first]
    if not seconds:
        return chosen[0], first, []
    second = seconds[0]
    for member in chosen:
        if tags[id(member)].get(second) == value.get(second):
            return member, second, []
    return None, second, [tags[id(m)][second] for m in chosen if second in tags[id(m)]]


def tag_keys(info: inspect.StructType) -> dict[str, str]:
    """The keys and values that name a class: {} without tag."""
    if info.tag_field is None:
        return {}
    first, *rest = str(info.tag).split(" ")
    return {info.tag_field: first, **dict(part.split("=") for part in rest)}


def _last_tag(info: inspect.StructType) -> str:
    return " ".join(f"{key} {value}" for key, value in list(tag_keys(info).items())[-1:])


def _with_tags(value: object, info: Info) -> Any:
    """A part of a config with the tags of classes as msgspec knows them."""
    if isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.UnionType):
        member = _member(value, info)
        return value if member is None else _with_tags(value, member)
    if isinstance(info, inspect.StructType) and isinstance(value, Mapping):
        types = {field.encode_name: field.type for field in info.fields}
        tags = {} if info.tag_field is None else {info.tag_field: info.tag}
        rest = {n: _with_tags(v, types[n]) for n, v in value.items() if n in types}
        return tags | rest
    if isinstance(info, inspect.DictType) and isinstance(value, Mapping):
        return {name: _with_tags(entry, info.value_type) for name, entry in value.items()}
    if isinstance(info, SEQUENCES) and isinstance(value, list | tuple):
        return [
            _with_tags(item, kind) for item, kind in zip(value, _items(value, info), strict=True)
        ]
    return value


def _with_keys(value: Any) -> Any:
    """The inverse of `_with_tags`."""
    if isinstance(value, dict):
        made = {}
        for name, entry in value.items():
            first, *rest = (
                entry.split(" ") if name in TAGGED and isinstance(entry, str) else [entry]
            )
            made[name] = _with_keys(first)
            made |= dict(part.split("=") for part in rest)
        return made
    return [_with_keys(item) for item in value] if isinstance(value, list | tuple) else value


TAGGED = ("type",)  # keys whose tags may name a second key


def _converts(value: object, info: Info) -> bool:
    """Whether a number or text is within the bounds of its type."""
    bounds = {name: getattr(info, name, None) for name in ("ge", "gt", "le", "lt", "multiple_of")}
    if isinstance(info, inspect.LiteralType):
        return value in info.values and type(value) in {type(v) for v in info.values}
    if isinstance(info, inspect.StrType) and isinstance(value, str):
        return (info.pattern is None or re.search(info.pattern, value) is not None) and (
            info.min_length or 0
        ) <= len(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            (bounds["ge"] is None or value >= bounds["ge"])
            and (bounds["gt"] is None or value > bounds["gt"])
            and (bounds["le"] is None or value <= bounds["le"])
            and (bounds["lt"] is None or value < bounds["lt"])
            and (bounds["multiple_of"] is None or value % bounds["multiple_of"] == 0)
        )
    return True


KINDS: tuple[tuple[type[Info] | tuple[type[Info], ...], tuple[type, ...]], ...] = (
    (inspect.IntType, (int,)),
    (inspect.FloatType, (int, float)),
    (inspect.StrType, (str,)),
    (inspect.NoneType, (type(None),)),
    ((inspect.StructType, inspect.DictType), (Mapping,)),
    (SEQUENCES, (list, tuple)),
)


def _is_of_kind(value: object, info: Info) -> bool:
    """Whether a value has the form of a type: a number, a text, a mapping, a list."""
    if isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.AnyType):
        return True
    if isinstance(info, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(info, inspect.LiteralType):
        return not isinstance(value, Mapping | list | tuple) and value is not None
    of_kind = [types for kind, types in KINDS if isinstance(info, kind)]
    return not isinstance(value, bool) and isinstance(value, *of_kind)


_EXPONENT = re.compile(r"[-+]?\d+e[-+]?\d+", re.IGNORECASE)  # text to YAML


def _not_allowed(path: str, value: object, what: str) -> str:
    hint = ""
    if isinstance(value, str) and "number" in what and _EXPONENT.fullmatch(value):
        hint = " (YAML takes an exponent for a number only after a point: 1.0e-4)"
    elif what.startswith("a text") and not isinstance(value, dict | list | str):
        hint = " (YAML takes it for no text; put it in quotes)"
    return f"{path or '(top level)'}: {value!r} is not allowed; allowed: {what}{hint}"


def not_known(path: str, name: str, known: Collection[str], kind: str) -> str:
    """The fault of a name that is no `kind` of entry, with the nearest of the `known` ones."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{path}: {name!r} is no {kind}; {hint}allowed: {', '.join(known) or 'none defined'}"


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def allowed(info: Info) -> str:
    """What a type takes, in words: `an integer from 1 up`, `legacy, controlled`."""
    if isinstance(info, inspect.Metadata):
        title = (info.extra_json_schema or {}).get("title")
        return str(title) if title else allowed(info.type)
    if isinstance(info, inspect.LiteralType):
        return ", ".join(map(str, info.values))
    if isinstance(info, inspect.UnionType):
        members = [m for m in info.types if not isinstance(m, inspect.NoneType)]
        return " or ".join(dict.fromkeys(map(allowed, members)))
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return _allowed_number(info)
    if isinstance(info, SEQUENCES):
        item = getattr(info, "item_type", None)
        return "a list" if item is None else f"a list of: {allowed(item)}"
    if isinstance(info, inspect.DictType):
        return f"a mapping from names to: {allowed(info.value_type)}"
    if isinstance(info, inspect.StructType):
        keys = ", ".join(field.encode_name for field in info.fields)
        return f"a mapping with {keys}" if info.tag_field is None else "a mapping"
    if isinstance(info, inspect.StrType):
        return "a text that is not empty" if info.min_length else "a text"
    return {inspect.BoolType: "true or false", inspect.NoneType: "null"}.get(type(info), "anything")


def _allowed_number(info: inspect.IntType | inspect.FloatType) -> str:
    kind = "an integer" if isinstance(info, inspect.IntType) else "a number"
    low = f"from {info.ge:g}" if info.ge is not None else ""
    low = f"above {info.gt:g}" if info.gt is not None else low
    high = f"to {info.le:g}" if info.le is not None else ""
    high = f"below {info.lt:g}" if info.lt is not None else high
    if low.startswith("from") and not high:
        high = "up"
    if low.startswith("from") and high.startswith("below"):
        high = f"to {high}"
    if low.startswith("above") and high:
        high = f"and {high}"
    return " ".join(filter(None, [kind, low, high]))


def part(settings: Settings, kind: type[S]) -> S:
    """The keys of settings that another class has, as an object of that class."""
    return kind(**{name: getattr(settings, name) for name in kind.__struct_fields__})


def tag_of(settings: Settings) -> str:
    """The value of `type` (`scheme`, `method`) that names the class of settings in a config."""
    return str(settings.__struct_config__.tag).split(" ")[0]
