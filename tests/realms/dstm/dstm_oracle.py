"""What transactions mean, said once more and naively: one op after the other, on plain values, all copied."""

import copy
import json
from typing import Any

ABSENT = type("Absent", (), {"__deepcopy__": lambda self, memo: self})()


class Failed(Exception):
    """An op does not fit."""


def split(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def step(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return value.get(token, ABSENT)
    if isinstance(value, list) and token.isdigit() and str(int(token)) == token and int(token) < len(value):
        return value[int(token)]
    return ABSENT


def find(value: Any, path: Any) -> Any:
    for token in path:
        value = step(value, token)
    return value


def learn(document: Any, kind: str, path: Any) -> Any:
    """Give what a declared read tells."""
    value = find(document, path)
    if kind == "exists":
        return value is not ABSENT
    if kind == "value":
        return ["absent"] if value is ABSENT else ["value", copy.deepcopy(value)]
    return sorted(value) if isinstance(value, dict) else len(value) if isinstance(value, list) else None


def same(one: Any, other: Any) -> bool:
    """Compare as JSON: True is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def store(document: Any, path: list[str], value: Any, insert: bool = False) -> Any:
    """Set, or insert into an array, or remove (``value`` is ABSENT); give the document."""
    if not path:
        return value
    parent, token = find(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        if value is ABSENT:
            del parent[token]
        else:
            parent[token] = value
    elif not isinstance(parent, list):
        raise Failed
    elif insert:
        if token != "-" and (str(int(token) if token.isdigit() else -1) != token or int(token) > len(parent)):
            raise Failed
        parent.insert(len(parent) if token == "-" else int(token), value)
    elif step(parent, token) is ABSENT:
        raise Failed
    elif value is ABSENT:
        del parent[int(token)]
    else:
        parent[int(token)] = value
    return document


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, as it stands there."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target


def execute(document: Any, op: dict[str, Any]) -> Any:
    """Give the document after one op."""
    name, path, value = op["op"], split(op["path"]), copy.deepcopy(op.get("value"))
    there = find(document, path)
    document = copy.deepcopy(document)
    if name in ("remove", "replace") and (there is ABSENT or (name == "remove" and not path)):
        raise Failed
    if name in ("add", "remove"):
        return store(document, path, value if name == "add" else ABSENT, insert=name == "add")
    if name in ("copy", "move"):
        value = copy.deepcopy(find(document, split(op["from"])))
        if value is ABSENT or (name == "move" and not split(op["from"])):
            raise Failed
        document = store(document, split(op["from"]), ABSENT) if name == "move" else document
        return store(document, path, value, insert=True)
    if name == "test" and (there is ABSENT or not same(there, value)):
        raise Failed
    return document if name == "test" else store(document, path, result(name, there, value))


def result(name: str, there: Any, value: Any) -> Any:
    """Give what ``replace`` and the ops that are not of JSON Patch set."""
    if name == "merge":
        return merged(there, value)
    if name in ("replace", "setdefault"):
        return value if name == "replace" or there is ABSENT else there
    if name == "push":
        if there is not ABSENT and not isinstance(there, list):
            raise Failed
        return [value] if there is ABSENT else [*there, value]
    if there is not ABSENT and type(there) not in (int, float):
        raise Failed
    if name == "inc":
        return value if there is ABSENT else there + value
    return value if there is ABSENT else (min if name == "min" else max)(there, value)
