"""
Sections: what a configuration file is made of.

Each field of a section is ``Annotated[type, msgspec.Meta(...)]``:
``description`` is the text of the reference page; ``ge``, ``le``, ``min_length``
and ``max_length`` are the bounds (the walk reads no others); ``title`` is the noun in
"unknown <noun> 'x'". ``extra`` may hold ``{"check": f}``, where ``f(value)`` returns what is wrong with
a value or None, and ``{"refers_to": key}``, where the value must be a name in the
mapping ``key`` at the top of the same file.

Types: bool, int, str, Literal, tuple[X, ...], dict[str, X], sections, unions of
tagged sections, ``X | None``, and classes with a reader of their own (``Secret``).
Values of these types never nest in themselves: a file's depth is bounded by its shape.
"""

from msgspec import Struct


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A mapping in a file: its fields are the keys, and no others are allowed.

    Subclasses say ``frozen=True, kw_only=True`` again: the second is not inherited.
    """
