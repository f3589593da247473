"""
The walk: a YAML node tree against the shape of its file.

It goes on after a problem, so that one run finds them all. A value with a problem
inside is INVALID and its parents are too; everything else of the file still is
in ``Document.values``. YAML's implicit types are taken as YAML 1.1 has them, but
never converted: ``yes`` is no string, ``10`` is no boolean, and the two traps
among the numbers (``010`` and ``1:30``) are refused. Merge keys (``<<``) are not
part of the language here; anchors and aliases are.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar

import msgspec.inspect as shapes
import yaml

from router.configuration.document import Document, Path, Position, quoted
from router.configuration.problems import did_you_mean
from router.configuration.section import Section
from router.configuration.tree import Unreadable, compose, position

S = TypeVar("S", bound=Section)

# An alias costs a few bytes and stands for a whole subtree: this bounds what all of them may become.
MAX_VALUES = 500_000

INVALID: Final = object()

_TAG = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, STR = (_TAG + name for name in ("null", "bool", "int", "str"))
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*|0x[0-9a-fA-F]+|0b[01]+)")
_MAX_DIGITS = 40

Entries = dict[str, tuple[Position, yaml.Node]]  # key -> its position, its value
Reader = Callable[["Walk", yaml.Node, Path], object]  # returns a value or INVALID, having noted why


class _TooMuch(Exception):
    """The aliases of a file stand for more values than are allowed."""


def read(file: FilePath, shape: type[S], readers: Mapping[type, Reader] | None = None) -> Document[S]:
    """
    Read ``file`` and check it against ``shape``.

    ``readers`` read the values of classes that are no sections. The document's
    ``value`` is None exactly where it has problems; an empty file is an empty mapping.
    """
    document: Document[S] = Document(file)
    walk = Walk(document, readers or {})
    try:
        value = walk.value(compose(file) or _nothing(), shapes.type_info(shape), ())
        walk.resolve_references()
    except Unreadable as error:
        document.add((), error.message, at=error.position)
    except _TooMuch:
        document.add((), f"aliases make it more than {MAX_VALUES} values")
    if not document.problems:
        assert isinstance(value, shape)
        document.value = value
    return document


class Walk:
    """One pass over one file."""

    def __init__(self, document: Document[Any], readers: Mapping[type, Reader]) -> None:
        self.document = document
        self._readers = readers
        self._visited = 0
        self._references: list[tuple[Path, str, str, str]] = []  # path, name, noun, key of the named mapping

    def value(self, node: yaml.Node, shape: shapes.Type, path: Path) -> object:
        """Return the value of ``node``, or INVALID once its problems are noted."""
        self._visited += 1
        if self._visited > MAX_VALUES:
            raise _TooMuch
        self.document.positions[path] = position(node.start_mark)
        inner, meta = unwrap(shape)
        value = _VISITS[type(inner)](self, node, inner, path, meta)
        if value is not INVALID:
            value = self._annotated(value, meta, path)
        if value is not INVALID:
            self.document.values[path] = value
        return value

    def wrong(self, path: Path, message: str) -> object:
        """Note a problem with the value at ``path`` and return INVALID."""
        self.document.add(path, message)
        return INVALID

    def entries(self, node: yaml.Node, path: Path) -> Entries | None:
        """Return the entries of a mapping without duplicates; None if ``node`` is none."""
        if not isinstance(node, yaml.MappingNode):
            self.wrong(path, f"expected a mapping (key: value), got {described(node)}")
            return None
        found: Entries = {}
        for key, value in node.value:
            at = position(key.start_mark)
            if scalar_tag(key) != STR:
                self.document.add(path, _bad_key(key), at=at)
            elif key.value in found:
                self._duplicate(key.value, found, path, at)
            else:
                found[key.value] = (at, value)
                self.document.key_positions[(*path, key.value)] = at
        return found

    def resolve_references(self) -> None:
        """Note every name that the mapping it refers to does not have."""
        for path, name, noun, key in self._references:
            names = self.document.names.get((key,), [])
            unreadable = (key,) in self.document.positions and (key,) not in self.document.names
            if name not in names and not unreadable:
                hint = did_you_mean(name, names) or f": nothing is defined under '{key}'"
                self.document.add(path, f"unknown {noun} {quoted(name)}{hint}")

    def _duplicate(self, key: str, found: Entries, path: Path, at: Position) -> None:
        first_line = found[key][0][0]
        self.document.add(
            (*path, key), f"duplicate key {quoted(key)}: it is also on line {first_line}", at=at
        )

    def _annotated(self, value: object, meta: shapes.Metadata | None, path: Path) -> object:
        extra = (meta and meta.extra) or {}
        if message := "check" in extra and extra["check"](value):
            return self.wrong(path, message)
        if "refers_to" in extra:
            self._references.append((path, str(value), noun_of(meta), extra["refers_to"]))
        return value

    def _bool(self, node: yaml.Node, _shape: Any, path: Path, _meta: object) -> object:
        value = _BOOLEANS.get(str(node.value).lower()) if scalar_tag(node) == _BOOL else None
        return self.wrong(path, f"expected true or false, got {described(node)}") if value is None else value

    def _int(self, node: yaml.Node, shape: shapes.IntType, path: Path, _meta: object) -> object:
        text = str(node.value).replace("_", "")
        if scalar_tag(node) != _INT or not _INTEGER.fullmatch(text):
            return self.wrong(path, f"expected an integer in decimal, got {described(node)}")
        value = int(text, 0) if len(text) <= _MAX_DIGITS else None
        low, high = shape.ge, shape.le
        if value is None or (low is not None and value < low) or (high is not None and value > high):
            return self.wrong(path, f"must be {bounds_text(low, high)}, got {text[:_MAX_DIGITS]}")
        return value

    def _str(self, node: yaml.Node, shape: shapes.StrType, path: Path, _meta: object) -> object:
        if scalar_tag(node) != STR:
            return self.wrong(path, f"expected a string, got {described(node)}{_quote_hint(node)}")
        value = str(node.value)
        return value if self._length_fits(len(value), shape, path, "characters") else INVALID

    def _literal(self, node: yaml.Node, shape: shapes.LiteralType, path: Path, meta: Any) -> object:
        if scalar_tag(node) != STR:
            allowed = ", ".join(map(str, shape.values))
            return self.wrong(path, f"expected one of {allowed}, got {described(node)}{_quote_hint(node)}")
        if node.value not in shape.values:
            return self.wrong(path, self._unknown(noun_of(meta), node.value, map(str, shape.values)))
        return node.value

    def _list(self, node: yaml.Node, shape: shapes.VarTupleType, path: Path, _meta: object) -> object:
        if not isinstance(node, yaml.SequenceNode):
            return self.wrong(path, f"expected a list, got {described(node)}")
        items = [self.value(item, shape.item_type, (*path, i)) for i, item in enumerate(node.value)]
        fits = self._length_fits(len(items), shape, path, "entries")
        return tuple(items) if fits and INVALID not in items else INVALID

    def _dict(self, node: yaml.Node, shape: shapes.DictType, path: Path, _meta: object) -> object:
        entries = {} if scalar_tag(node) == _NULL else self.entries(node, path)
        if entries is None:
            return INVALID
        self.document.names[path] = list(entries)
        found = {key: self.value(item, shape.value_type, (*path, key)) for key, (_, item) in entries.items()}
        _, key_meta = unwrap(shape.key_type)
        checked = [self._annotated(key, key_meta, (*path, key)) for key in found]
        return INVALID if INVALID in checked or INVALID in found.values() else found

    def _section(self, node: yaml.Node, shape: shapes.StructType, path: Path, _meta: object) -> object:
        entries = {} if scalar_tag(node) == _NULL else self.entries(node, path)
        if entries is None:
            return INVALID
        names = [field.encode_name for field in shape.fields]
        known = {*names, shape.tag_field} if shape.tag_field else set(names)
        for key in entries.keys() - known:
            message = self._unknown("key", key, [*known.difference(names), *names])
            self.document.add((*path, key), message, at=entries[key][0])
        fields = {field.name: self._field(field, entries, path) for field in shape.fields}
        if INVALID in fields.values() or entries.keys() - known:
            return INVALID
        return shape.cls(**{name: value for name, value in fields.items() if value is not _ABSENT})

    def _field(self, field: shapes.Field, entries: Entries, path: Path) -> object:
        if field.encode_name in entries:
            return self.value(entries[field.encode_name][1], field.type, (*path, field.encode_name))
        if field.required:
            return self.wrong(
                (*path, field.encode_name), f"missing: the key '{field.encode_name}' is required"
            )
        return _ABSENT

    def _union(self, node: yaml.Node, shape: shapes.UnionType, path: Path, _meta: object) -> object:
        members = [member for member in shape.types if not isinstance(member, shapes.NoneType)]
        if len(members) < len(shape.types) and scalar_tag(node) == _NULL:
            return None
        if len(members) == 1:
            return self.value(node, members[0], path)
        return self._tagged(node, members, path)

    def _tagged(self, node: yaml.Node, members: list[Any], path: Path) -> object:
        by_tag = {str(member.tag): member for member in members}
        tag_field: str = members[0].tag_field
        if not isinstance(node, yaml.MappingNode):
            return self.wrong(path, f"expected a mapping with the key '{tag_field}', got {described(node)}")
        tags = [value for key, value in node.value if key.value == tag_field]
        if not tags:
            return self.wrong((*path, tag_field), f"missing: one of {', '.join(by_tag)}")
        self.document.positions[(*path, tag_field)] = position(tags[0].start_mark)
        if not isinstance(tags[0].value, str) or tags[0].value not in by_tag:
            tag = tags[0].value if isinstance(tags[0].value, str) else described(tags[0])
            return self.wrong((*path, tag_field), self._unknown(tag_field, tag, by_tag))
        return self._section(node, by_tag[tags[0].value], path, None)

    def _custom(self, node: yaml.Node, shape: shapes.CustomType, path: Path, _meta: object) -> object:
        return self._readers[shape.cls](self, node, path)

    def _length_fits(self, length: int, shape: Any, path: Path, unit: str) -> bool:
        low, high = shape.min_length, shape.max_length
        fits = (low is None or length >= low) and (high is None or length <= high)
        if not fits:
            self.wrong(path, f"must have {bounds_text(low, high)} {unit}, got {length}")
        return fits

    def _unknown(self, noun: str, name: str, names: Iterable[str]) -> str:
        return f"unknown {noun} {quoted(name)}{did_you_mean(name, names)}"


_ABSENT: Final = object()

_VISITS: dict[type, Callable[..., object]] = {
    shapes.BoolType: Walk._bool,
    shapes.IntType: Walk._int,
    shapes.StrType: Walk._str,
    shapes.LiteralType: Walk._literal,
    shapes.VarTupleType: Walk._list,
    shapes.DictType: Walk._dict,
    shapes.StructType: Walk._section,
    shapes.UnionType: Walk._union,
    shapes.CustomType: Walk._custom,
}


def unwrap(shape: shapes.Type) -> tuple[shapes.Type, shapes.Metadata | None]:
    """Return ``shape`` without its annotation, and the annotation."""
    return (shape.type, shape) if isinstance(shape, shapes.Metadata) else (shape, None)


def noun_of(meta: shapes.Metadata | None) -> str:
    """Return what a value is called in a message: its annotation's title."""
    return str(((meta and meta.extra_json_schema) or {}).get("title", "value"))


def bounds_text(low: float | None, high: float | None) -> str:
    """Return the bounds in words."""
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"at least {low}" if high is None else f"at most {high}"


def scalar_tag(node: yaml.Node) -> str:
    """Return the YAML type of a scalar; an empty string for lists and mappings, whatever their tag says."""
    return str(node.tag) if isinstance(node, yaml.ScalarNode) else ""


def described(node: yaml.Node) -> str:
    """Return what ``node`` is, in words for people."""
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if node.tag == _NULL:
        return "nothing (null)"
    if node.tag == STR:
        return f"the string {quoted(node.value)}"
    kind = node.tag.removeprefix(_TAG)
    return f"{str(node.value)[:40]} (which YAML reads as {kind})"


def _nothing() -> yaml.Node:
    start = yaml.Mark("", 0, 0, 0, None, 0)
    return yaml.ScalarNode(_NULL, "", start, start)


def _quote_hint(node: yaml.Node) -> str:
    plain = isinstance(node, yaml.ScalarNode) and node.tag != _NULL
    return ": put it in quotes" if plain else ""


def _bad_key(key: yaml.Node) -> str:
    if key.value == "<<":
        return "merge keys (<<) are not supported: write the keys out, or give the whole value an alias"
    return f"a key must be a string, got {described(key)}{_quote_hint(key)}"
