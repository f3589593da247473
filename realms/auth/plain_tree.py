"""
Plain values as the tree that a configuration file is: what a procedure answers is checked by the same walk.
"""

from typing import Any, Final

import yaml

from router.configuration import Path, Secret
from router.configuration.walk import STR, Walk, scalar_tag

# Deeper than any principal: what lies below is of no section, and is not copied.
MAX_DEPTH: Final = 8

_MARK: Final = yaml.Mark("", 0, 0, 0, None, 0)
_TAG: Final = "tag:yaml.org,2002:"
_TAGS: Final = {str: "str", bool: "bool", int: "int", float: "float", bytes: "binary", type(None): "null"}


def tree_of(value: Any, depth: int = MAX_DEPTH) -> yaml.Node:
    """Give the tree of a plain value: None, bool, int, float, str, bytes, list or dict."""
    if isinstance(value, dict):
        entries = value.items() if depth else ()
        return yaml.MappingNode(
            f"{_TAG}map", [(tree_of(key), tree_of(item, depth - 1)) for key, item in entries], _MARK, _MARK
        )
    if isinstance(value, list | tuple):
        items = value if depth else ()
        return yaml.SequenceNode(f"{_TAG}seq", [tree_of(item, depth - 1) for item in items], _MARK, _MARK)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return yaml.ScalarNode(f"{_TAG}{_TAGS[type(value)]}", text, _MARK, _MARK)


def no_files(walk: Walk, node: yaml.Node, path: Path) -> object:
    """Read a secret that must be a string: no answer names files or environment variables of the router."""
    if scalar_tag(node) != STR or not node.value:
        return walk.wrong(path, f"'{path[-1]}' must be a string that is not empty")
    return Secret(str(node.value))
