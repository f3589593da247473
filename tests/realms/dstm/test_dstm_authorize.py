"""What a session with pointer rules may have decided: every op and every read, allowed and refused."""

from typing import Any

import pytest

from realms.dstm.access import BOTH, READ, WRITE, Rule, Rules, read_pattern
from realms.dstm.authorize import check_reads, check_transaction, hide_containers
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.reads import Read
from realms.dstm.transaction import Limits, read_transaction

MASKS = {"r": READ, "w": WRITE, "rw": BOTH, "": 0}
RULES = {
    "/users/{authid}/**": "rw",
    "/users/*/name": "r",
    "/shared/**": "rw",
    "/open/**": "r",
    "/inbox": "r",
    "/inbox/**": "w",
    "/flag": "rw",
    "/drop": "w",
    "/blind/**": "w",
    "/keys": "r",
    "/keys/*": "r",
    "/keys/ann": "r",
    "/list/*/name": "rw",
}
DOCUMENT = Document.of(
    {
        "users": {"ann": {"n": 1}, "bob": {"name": "Bob", "n": 2}},
        "shared": {"list": [1, 2], "n": 1, "object": {"x": 1}},
        "open": {"n": 1},
        "inbox": {},
        "flag": 1,
        "drop": 1,
        "blind": {"n": 1, "list": []},
        "secret": 7,
        "keys": {"a": 1},
        "list": [{"name": "x"}],
    }
)
SIGHT: Any = Rules(Rule(read_pattern(p), MASKS[mask]) for p, mask in RULES.items()).sight("ann")


def check(**kwargs: Any) -> str | None:
    """Give what is refused, as ``part[index] action pointer``; None where all is allowed."""
    if kwargs.get("reads"):
        kwargs["base"] = 1
    try:
        check_transaction(DOCUMENT, read_transaction(kwargs, Limits()), SIGHT)
    except DstmError as error:
        return told(error)
    return None


def told(error: DstmError) -> str:
    assert error.uri == "wamp.error.not_authorized"
    action = "read" if "may not read" in error.text else "write"
    return f"{error.details['part']}[{error.details['index']}] {action} {error.details['path']}"


@pytest.mark.parametrize(
    "read",
    [
        "/users/ann",
        "/users/ann/x/y",
        "/users/bob/name",
        ["exists", "/users"],
        ["exists", "/users/bob"],
        ["exists", ""],
        ["keys", "/users/ann"],
        ["keys", "/keys"],
        "/keys/a",
        "/flag",
        "/shared/list/0",
        "/open/missing",
    ],
)
def test_reads_that_are_allowed(read: Any) -> None:
    assert check(reads=[read]) is None
    if isinstance(read, str):
        assert check(want=[read]) is None


@pytest.mark.parametrize(
    ("read", "path"),
    [
        ("/secret", "/secret"),
        ("/secret/deeper", "/secret/deeper"),
        ("/missing", "/missing"),
        ("", ""),
        ("/users", "/users"),
        ("/users/bob", "/users/bob"),
        ("/users/bob/n", "/users/bob/n"),
        (["keys", "/users"], "/users"),
        (["keys", ""], ""),
        (["keys", "/flag"], "/flag"),
        (["exists", "/secret"], "/secret"),
        (["exists", "/users/bob/n"], "/users/bob/n"),
        (["exists", "/drop"], "/drop"),
        ("/drop", "/drop"),
        ("/keys", "/keys"),
        ("/inbox", "/inbox"),
        ("/inbox/x", "/inbox/x"),
        ("/list/0/name", "/list/0/name"),
    ],
)
def test_reads_that_are_refused(read: Any, path: str) -> None:
    assert check(reads=[["exists", "/users"], read]) == f"reads[1] read {path}"
    if isinstance(read, str):
        assert check(want=["/flag", read]) == f"want[1] read {path}"


@pytest.mark.parametrize(
    "op",
    [
        {"op": "add", "path": "/users/ann/x", "value": {"any": [1]}},
        {"op": "add", "path": "/users/ann", "value": {}},
        {"op": "replace", "path": "/users/ann", "value": 1},
        {"op": "remove", "path": "/users/ann"},
        {"op": "replace", "path": "/flag", "value": 2},
        {"op": "remove", "path": "/flag"},
        {"op": "inc", "path": "/flag", "value": 2, "max": 9},
        {"op": "add", "path": "/inbox/x", "value": {"to": "you"}},
        {"op": "add", "path": "/shared/list/-", "value": 3},
        {"op": "push", "path": "/shared/list", "value": 3},
        {"op": "merge", "path": "/shared", "value": {"n": None, "object": {"x": 2}, "new": {"y": 1}}},
        {"op": "merge", "path": "", "value": {"flag": 2, "users": {"ann": {"n": None}}}},
        {"op": "setdefault", "path": "/users/ann/y", "value": 1},
        {"op": "copy", "from": "/open", "path": "/shared/copy"},
        {"op": "copy", "from": "/users/bob/name", "path": "/flag"},
        {"op": "move", "from": "/users/ann/n", "path": "/shared/moved"},
        {"op": "test", "path": "/open/n", "value": 1},
        {"op": "min", "path": "/users/ann/n", "value": 1},
    ],
)
def test_ops_that_are_allowed(op: Any) -> None:
    assert check(ops=[op]) is None


@pytest.mark.parametrize(
    ("op", "refused"),
    [
        ({"op": "add", "path": "/secret", "value": 1}, "write /secret"),
        ({"op": "add", "path": "", "value": {}}, "write "),
        ({"op": "add", "path": "/new", "value": 1}, "write /new"),
        ({"op": "add", "path": "/secret/x", "value": 1}, "read /secret"),
        ({"op": "add", "path": "/users/bob/x", "value": 1}, "write /users/bob/x"),
        ({"op": "add", "path": "/users", "value": {}}, "write /users"),
        ({"op": "add", "path": "/flag", "value": {}}, "write /flag"),
        ({"op": "add", "path": "/drop", "value": 2}, "write /drop"),
        ({"op": "add", "path": "/blind/x", "value": 2}, "read /blind"),
        ({"op": "replace", "path": "/secret", "value": 1}, "read /secret"),
        ({"op": "replace", "path": "/users/bob/name", "value": "B"}, "write /users/bob/name"),
        ({"op": "replace", "path": "/drop", "value": 1}, "read /drop"),
        ({"op": "remove", "path": "/users"}, "write /users"),
        ({"op": "remove", "path": "/secret"}, "read /secret"),
        ({"op": "remove", "path": "/open/n"}, "write /open/n"),
        ({"op": "inc", "path": "/secret", "value": 1}, "read /secret"),
        ({"op": "inc", "path": "/secret", "value": 2**53 - 1}, "read /secret"),
        ({"op": "inc", "path": "/secret", "value": 0, "min": 5}, "read /secret"),
        ({"op": "inc", "path": "/blind/n", "value": 1, "max": 5}, "read /blind/n"),
        ({"op": "inc", "path": "/open/n", "value": 1}, "write /open/n"),
        ({"op": "min", "path": "/secret", "value": 1}, "read /secret"),
        ({"op": "max", "path": "/secret", "value": 1}, "read /secret"),
        ({"op": "push", "path": "/secret", "value": 1}, "read /secret"),
        ({"op": "push", "path": "/blind/list", "value": 1}, "read /blind/list"),
        ({"op": "push", "path": "/flag", "value": 1}, "write /flag"),
        ({"op": "merge", "path": "", "value": {"secret": 1}}, "read /secret"),
        ({"op": "merge", "path": "", "value": {"open": {"n": 2}}}, "write /open/n"),
        ({"op": "merge", "path": "/secret", "value": {"x": 1}}, "read /secret"),
        ({"op": "merge", "path": "", "value": 1}, "read "),
        ({"op": "merge", "path": "/flag", "value": {"x": 1}}, "write /flag"),
        ({"op": "setdefault", "path": "/secret", "value": 1}, "read /secret"),
        ({"op": "setdefault", "path": "/open/x", "value": 1}, "write /open/x"),
        ({"op": "copy", "from": "/secret", "path": "/shared/x"}, "read /secret"),
        ({"op": "copy", "from": "/users", "path": "/shared/x"}, "read /users"),
        ({"op": "copy", "from": "/users/bob", "path": "/shared/x"}, "read /users/bob"),
        ({"op": "copy", "from": "/flag", "path": "/open/x"}, "write /open/x"),
        ({"op": "copy", "from": "/open", "path": "/flag"}, "write /flag"),
        ({"op": "move", "from": "/secret", "path": "/shared/x"}, "read /secret"),
        ({"op": "move", "from": "/open/n", "path": "/shared/x"}, "write /open/n"),
        ({"op": "test", "path": "/secret", "value": 7}, "read /secret"),
        ({"op": "test", "path": "/users/bob/n", "value": 7}, "read /users/bob/n"),
        ({"op": "replace", "path": "/list/0/name", "value": "y"}, "read /list/0/name"),
        ({"op": "add", "path": "/list/0/name", "value": "y"}, "read /list/0"),
    ],
)
def test_ops_that_are_refused(op: Any, refused: str) -> None:
    harmless = {"op": "test", "path": "/flag", "value": 1}
    assert check(ops=[harmless, op]) == f"ops[1] {refused}"


def test_a_refusal_is_the_same_whatever_is_hidden() -> None:
    other = Document.of({"users": {"ann": {}, "bob": [9]}})
    for op in ("replace", "inc", "test", "setdefault", "push", "max"):
        for path in ("/secret", "/users/bob/n"):
            transaction = read_transaction({"ops": [{"op": op, "path": path, "value": 1}]}, Limits())
            texts = []
            for document in (DOCUMENT, other):
                with pytest.raises(DstmError) as caught:
                    check_transaction(document, transaction, SIGHT)
                texts.append((caught.value.text, caught.value.details))
            assert texts[0] == texts[1]


def test_the_part_is_named_that_is_checked() -> None:
    with pytest.raises(DstmError, match=r"paths\[0\]: this session may not read '/secret'"):
        check_reads(DOCUMENT, [Read("value", ("secret",))], SIGHT, "paths")


def test_a_wanted_value_that_became_a_container_is_hidden() -> None:
    paths = [("flag",), ("flag",), ("users", "ann")]
    assert hide_containers([1, {"x": 1}, {"y": 1}], paths, SIGHT) == [1, None, {"y": 1}]
