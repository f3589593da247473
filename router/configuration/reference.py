"""
The reference page of a file, as Markdown: a table for each of its sections.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import msgspec.inspect as shapes

from router.configuration.section import Section
from router.configuration.walk import bounds_text, unwrap


class _Part(NamedTuple):
    """A section and where it stands, as in ``transports[].heartbeat``; ``kind`` tells tagged ones apart."""

    path: str
    kind: str
    shape: shapes.StructType


def reference(shape: type[Section], title: str) -> str:
    """Return the Markdown of a file of ``shape``, with ``title`` as its heading."""
    root = shapes.type_info(shape)
    assert isinstance(root, shapes.StructType)
    lines = [f"## {title}", "", _paragraph(root), "", *_table(root)]
    for part in _parts(_Part("", "", root)):
        lines += ["", f"### `{part.path}`{part.kind}", "", _paragraph(part.shape), "", *_table(part.shape)]
    return "\n".join(lines) + "\n"


def _parts(parent: _Part) -> Iterator[_Part]:
    for field in parent.shape.fields:
        path = f"{parent.path}.{field.encode_name}".removeprefix(".")
        for part in _sections(field.type, path, parent.kind):
            yield part
            yield from _parts(part)


def _sections(shape: shapes.Type, path: str, kind: str) -> Iterator[_Part]:
    inner, _ = unwrap(shape)
    if isinstance(inner, shapes.StructType):
        yield _Part(path, f", type `{inner.tag}`" if inner.tag else kind, inner)
    elif isinstance(inner, shapes.VarTupleType):
        yield from _sections(inner.item_type, f"{path}[]", kind)
    elif isinstance(inner, shapes.DictType):
        yield from _sections(inner.value_type, f"{path}.<{_title(inner.key_type)}>", kind)
    elif isinstance(inner, shapes.UnionType):
        for member in inner.types:
            yield from _sections(member, path, kind)


def _paragraph(shape: shapes.StructType) -> str:
    return " ".join((shape.cls.__doc__ or "").split())


def _table(shape: shapes.StructType) -> list[str]:
    rows = ["| Key | Value | Default | Meaning |", "|---|---|---|---|"]
    if shape.tag_field:
        rows.append(f"| `{shape.tag_field}` | `{shape.tag}` | required | Which kind of section this is. |")
    return rows + [
        f"| `{field.encode_name}` | {_allowed(field.type)} | {_default(field)} | {_description(field.type)} |"
        for field in shape.fields
    ]


def _default(field: shapes.Field) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value == "":
        return "none"
    if isinstance(value, Section) or (isinstance(value, tuple) and value and isinstance(value[0], Section)):
        return "see below"
    return f"`{msgspec.json.encode(value).decode()}`"


def _allowed(shape: shapes.Type) -> str:
    inner, _ = unwrap(shape)
    return str(_ALLOWED[type(inner)](inner))


def _int(shape: Any) -> str:
    bounded = shape.ge is not None or shape.le is not None
    return f"integer, {bounds_text(shape.ge, shape.le)}" if bounded else "integer"


def _union(shape: Any) -> str:
    members = [member for member in shape.types if not isinstance(member, shapes.NoneType)]
    return " or ".join(dict.fromkeys(map(_allowed, members)))


_ALLOWED: dict[type, Any] = {
    shapes.BoolType: lambda _: "boolean",
    shapes.IntType: _int,
    shapes.StrType: lambda _: "string",
    shapes.LiteralType: lambda shape: " or ".join(f"`{value}`" for value in shape.values),
    shapes.VarTupleType: lambda shape: f"list of {_allowed(shape.item_type)}",
    shapes.DictType: lambda shape: f"mapping: {_title(shape.key_type)} to {_allowed(shape.value_type)}",
    shapes.StructType: lambda _: "section",
    shapes.UnionType: _union,
    shapes.CustomType: lambda _: "string, `{file: path}` or `{env: NAME}`",
}


def _schema(shape: shapes.Type) -> dict[str, Any]:
    _, meta = unwrap(shape)
    return (meta and meta.extra_json_schema) or {}


def _title(shape: shapes.Type) -> str:
    return str(_schema(shape).get("title", "name"))


def _description(shape: shapes.Type) -> str:
    schema = _schema(shape)
    examples = ", ".join(
        f"`{msgspec.json.encode(example).decode()}`" for example in schema.get("examples", ())
    )
    text = str(schema.get("description", ""))
    return f"{text} Example: {examples}." if examples else text
