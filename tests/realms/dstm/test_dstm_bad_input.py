"""Bad input through the API: an error that names what, where and what is allowed; and nothing happens."""

from typing import Any

import cbor2
import msgspec
import pytest
from dstm_stage import Stage

from router.wamp.serializers import CBOR, JSON, MSGPACK

EVERY = [JSON, MSGPACK, CBOR]
CLIENT = "0123456789abcdef" * 2


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def add(value: Any, path: str = "/x", **more: Any) -> Any:
    return {"op": "add", "path": path, "value": value, **more}


# keyword arguments of commit, the error, its part, its index, what its text says
COMMITS: list[tuple[dict[str, Any], str, str | None, int | None, str]] = [
    # pointers
    ({"ops": [add(1), add(1, "x")]}, "invalid", "ops", 1, "'x'"),
    ({"ops": [add(1, "/a~2")]}, "invalid", "ops", 0, "~"),
    ({"ops": [add(1, "/__proto__/x")]}, "invalid", "ops", 0, "__proto__"),
    ({"ops": [add(1, "/x" * 65)]}, "invalid", "ops", 0, "64"),
    ({"ops": [add(1, 7)]}, "invalid", "ops", 0, "str"),  # type: ignore[arg-type]
    ({"base": 0, "reads": ["/a", "b"]}, "invalid", "reads", 1, "'b'"),
    ({"base": 0, "reads": [["values", "/a"]]}, "invalid", "reads", 0, "keys"),
    ({"base": 0, "reads": [{"path": "/a"}]}, "invalid", "reads", 0, "pointer"),
    ({"want": ["/a", "b"]}, "invalid", "want", 1, "'b'"),
    ({"want": [1]}, "invalid", "want", 0, "str"),
    # ops
    ({"ops": [{"op": "set", "path": "/x", "value": 1}]}, "invalid", "ops", 0, "setdefault"),
    ({"ops": [{"path": "/x", "value": 1}]}, "invalid", "ops", 0, "op"),
    ({"ops": [{"op": "add", "path": "/x"}]}, "invalid", "ops", 0, "value"),
    ({"ops": [{"op": "add", "value": 1}]}, "invalid", "ops", 0, "path"),
    ({"ops": [add(1, more=2)]}, "invalid", "ops", 0, "more"),
    ({"ops": ["add"]}, "invalid", "ops", 0, "object"),
    ({"ops": {"op": "add"}}, "invalid", "ops", None, "list"),
    ({"ops": [{"op": "inc", "path": "/n", "value": "1"}]}, "invalid", "ops", 0, "int"),
    ({"ops": [{"op": "inc", "path": "/n", "value": True}]}, "invalid", "ops", 0, "bool"),
    ({"ops": [{"op": "move", "from": "/n", "path": "/n/x"}]}, "invalid", "ops", 0, "inside"),
    ({"ops": [{"op": "push", "path": "/x", "value": 1, "bind": "session"}]}, "invalid", "ops", 0, "bind"),
    ({"ops": [add(1, bind="realm")]}, "invalid", "ops", 0, "bind"),
    ({"ops": [add(1, ttl_ms=0)]}, "invalid", "ops", 0, "ttl_ms"),
    ({"ops": [add(1, linger_ms=5)]}, "invalid", "ops", 0, "linger_ms"),
    # ops that do not fit
    ({"ops": [add(1), {"op": "remove", "path": "/none"}]}, "invalid", "ops", 1, "'/none'"),
    ({"ops": [{"op": "replace", "path": "/none", "value": 1}]}, "invalid", "ops", 0, "'/none'"),
    ({"ops": [add(1, "/none/x")]}, "invalid", "ops", 0, "none"),
    ({"ops": [add(1, "/n/x")]}, "invalid", "ops", 0, "'/n'"),
    ({"ops": [add(1, "/list/7")]}, "invalid", "ops", 0, "7"),
    ({"ops": [add(1, "/list/01")]}, "invalid", "ops", 0, "01"),
    ({"ops": [{"op": "inc", "path": "/list", "value": 1}]}, "invalid", "ops", 0, "number"),
    ({"ops": [{"op": "push", "path": "/n", "value": 1}]}, "invalid", "ops", 0, "array"),
    # values
    ({"ops": [add(1), add({"a": {"__proto__": 1}})]}, "invalid", "ops", 1, "__proto__"),
    ({"ops": [add(2**53)]}, "invalid", "ops", 0, "2**53"),
    ({"ops": [add([1, -(2**53)])]}, "invalid", "ops", 0, "2**53"),
    ({"ops": [add(nested(64))]}, "invalid", "ops", 0, "deep"),
    ({"ops": [{"op": "inc", "path": "/n", "value": 2**53 - 1}]}, "constraint", "ops", 0, "2**53"),
    ({"ops": [{"op": "inc", "path": "/n", "value": 2**53}]}, "invalid", "ops", 0, "2**53"),
    # ids and versions
    ({"tx": "1"}, "invalid", "tx", None, "32 hex digits"),
    ({"tx": f"{CLIENT.upper()}:1"}, "invalid", "tx", None, "lower case"),
    ({"tx": f"{CLIENT}:-1"}, "invalid", "tx", None, "counter"),
    ({"tx": 1}, "invalid", "tx", None, "str"),
    ({"epoch": "x"}, "epoch", None, None, "epoch"),
    ({"base": -1}, "invalid", "base", None, "0"),
    ({"base": "0"}, "invalid", "base", None, "int"),
    ({"base": 0.5}, "invalid", "base", None, "int"),
    ({"base": 99}, "invalid", "base", None, "newest is 1"),
    ({"reads": ["/n"]}, "invalid", "base", None, "needed"),
    # the rest
    ({"opps": []}, "invalid", "opps", None, "ops"),
    ({"publish": [{"topic": ""}]}, "invalid", "publish", 0, "topic"),
    ({"publish": [{"topic": "com.t", "args": 1}]}, "invalid", "publish", 0, "args"),
    ({"publish": [{"topic": "com.t", "exclude": 1}]}, "invalid", "publish", 0, "exclude"),
    # sizes
    ({"ops": [add(1)] * 11}, "too_large", "ops", None, "10"),
    ({"base": 0, "reads": ["/a"] * 11}, "too_large", "reads", None, "10"),
    ({"want": ["/a"] * 11}, "too_large", "want", None, "10"),
    ({"publish": [{"topic": "com.t"}] * 11}, "too_large", "publish", None, "10"),
    ({"ops": [add("x" * 3000)]}, "too_large", "transaction", None, "2048"),
    ({"ops": [add("x" * 1000), add("y" * 700, "/y")]}, "too_large", "ops", 1, "1500"),
]

FEW = {
    "ops": 10,
    "reads": 10,
    "want": 10,
    "publish": 10,
    "transaction_bytes": 2048,
    "document_bytes": 1500,
}


def stage(serializer: Any = JSON, **settings: Any) -> Stage:
    one = Stage(**settings).enter("ann", serializer=serializer).enter("bob", serializer=JSON)
    one.put("bob", "", {"n": 1, "list": [1]})
    one.follow("bob")
    return one


def unharmed(one: Stage) -> None:
    """Check that nothing was applied, nobody was told, and that both sessions can go on."""
    assert one.deltas("bob") == []
    assert one.ask("bob", ".get")[0] == [{"n": 1, "list": [1]}]
    assert one.ask("ann", ".get")[1]["version"] == 1
    assert one.log("dstm").failures == []


@pytest.mark.parametrize("serializer", EVERY, ids=lambda s: s.name)
@pytest.mark.parametrize(("kwargs", "error", "part", "index", "says"), COMMITS)
def test_commits(
    kwargs: Any, error: str, part: str | None, index: int | None, says: str, serializer: Any
) -> None:
    one = stage(serializer, limits={**FEW, "document_bytes": 1500})
    answer = one.ask("ann", ".commit", **kwargs)
    assert len(answer) == 3, f"accepted: {answer}"
    uri, text, details = answer
    assert uri == f"dstm.error.{error}"
    assert says in text
    assert details.get("part") == part
    assert details.get("index") == index
    unharmed(one)


@pytest.mark.parametrize(
    ("verb", "args", "kwargs", "error", "says"),
    [
        (".get", ["x"], {}, "invalid", "'x'"),
        (".get", [7], {}, "invalid", "text"),
        (".get", [["/a", None]], {}, "invalid", "args[1]"),
        (".get", ["/a", "/b"], {}, "invalid", "0 to 1"),
        (".get", [["/a"] * 1001], {}, "too_large", "1000"),
        (".get", ["/a"], {"at": "1"}, "invalid", "integer"),
        (".get", ["/a"], {"at": -1}, "invalid", "0 to"),
        (".get", ["/a"], {"at": 10**30}, "invalid", "0 to"),
        (".get", ["/a"], {"min_version": 1.5}, "invalid", "integer"),
        (".get", ["/a"], {"epoch": 1}, "invalid", "text"),
        (".get", ["/a"], {"att": 1}, "invalid", "'att'"),
        (".get", [], {"page": 1}, "invalid", "text"),
        (".get", [], {"page": "1"}, "stale", "begin again"),
        (".get", [], {"page": "1", "at": 1}, "invalid", "'at'"),
        (".sync", ["x"], {}, "invalid", "integer"),
        (".sync", [-1], {}, "invalid", "0 to"),
        (".sync", [1, 2], {}, "invalid", "text"),
        (".sync", [1, None, "zz"], {}, "invalid", "32 hex digits"),
        (".sync", [1, None, 5], {}, "invalid", "32 hex digits"),
        (".sync", [1, None, None, 1], {}, "invalid", "0 to 3"),
        (".sync", [], {"paths": "/a"}, "invalid", "list"),
        (".sync", [], {"paths": []}, "invalid", "at least one"),
        (".sync", [], {"paths": ["/a", "b"]}, "invalid", "paths[1]"),
        (".sync", [], {"path": "/a"}, "invalid", "'path'"),
        (".view", [], {}, "invalid", "paths"),
        (".view", ["/a"], {"paths": ["/a"]}, "invalid", "args"),
        (".view", [], {"paths": ["/a"] * 101}, "too_large", "100"),
        (".view", [], {"paths": ["/__proto__"]}, "invalid", "__proto__"),
        (".view", [], {"paths": ["/a" * 65]}, "invalid", "64"),
        (".view", [], {"paths": ["/a"], "epoch": "0" * 32}, "epoch", "epoch"),
        (".wait", [], {"base": 1}, "invalid", "reads"),
        (".wait", [], {"base": 1, "reads": []}, "invalid", "at least one"),
        (".wait", [], {"reads": ["/a"]}, "invalid", "base"),
        (".wait", [], {"reads": ["/a"], "base": 9}, "invalid", "newest is 1"),
        (".wait", [], {"reads": ["a"], "base": 1}, "invalid", "reads[0]"),
        (".wait", [], {"reads": ["/a"] * 1001, "base": 1}, "too_large", "1000"),
        (".wait", [], {"reads": ["/a"], "base": 1, "epoch": "0" * 32}, "epoch", "epoch"),
        (".wait", [], {"reads": ["/a"], "base": 1, "timeout_ms": -1}, "invalid", "timeout_ms"),
        (".wait", ["/a"], {"reads": ["/a"], "base": 1}, "invalid", "args"),
        (".put", ["/a"], {}, "invalid", "2 allowed"),
        (".put", ["a", 1], {}, "invalid", "'a'"),
        (".put", ["/a", 2**60], {}, "invalid", "2**53"),
        (".put", ["/a", nested(65)], {}, "invalid", "deep"),
        (".put", ["/a", 1], {"version": 1}, "invalid", "'version'"),
        (".put", ["/a", 1], {"if_version": "1"}, "invalid", "integer"),
        (".put", ["/a", 1], {"if_version": 9}, "invalid", "newest is 1"),
        (".put", ["/a", 1], {"tx": "x"}, "invalid", "32 hex digits"),
        (".put", ["/a", 1], {"tx": 1}, "invalid", "text"),
        (".patch", ["/a", 1], {}, "invalid", "Merge Patch"),
        (".patch", ["/a", [{"op": "x"}]], {}, "invalid", "ops[0]"),
        (".patch", ["/a", ["x"]], {}, "invalid", "ops[0]"),
        (".patch", ["/a", [{"op": "add", "path": "b", "value": 1}]], {}, "invalid", "'b'"),
        (".patch", ["/a"], {}, "invalid", "2 allowed"),
        (".inc", [], {}, "invalid", "1 to 2"),
        (".inc", ["/n", "1"], {}, "invalid", "ops[0]"),
        (".inc", ["/n", 1], {"min": "0"}, "invalid", "ops[0]"),
        (".inc", ["/list"], {}, "invalid", "number"),
        (".delete", [], {}, "invalid", "1 allowed"),
        (".delete", [""], {}, "invalid", "removed"),
        (".delete", ["/none"], {}, "invalid", "'/none'"),
        (".run", [], {}, "invalid", "name"),
        (".run", [1], {}, "invalid", "text"),
        (".run", ["none"], {}, "invalid", "there are: none"),
        (".history", ["x"], {}, "invalid", "integer"),
        (".history", [1, 2, 3], {}, "invalid", "0 to 2"),
        (".history", [], {"limit": 0}, "invalid", "limit"),
        (".history", [], {"limit": 1001}, "invalid", "1000"),
        (".history", [], {"pointer": "x"}, "invalid", "'x'"),
        (".history", [], {"until": 1}, "invalid", "'until'"),
        (".undo", [], {}, "invalid", "1 allowed"),
        (".undo", [0], {}, "invalid", "1 to"),
        (".undo", [99], {}, "invalid", "newest is 1"),
        (".undo", ["x"], {}, "invalid", "tx"),
        (".undo", [1], {"if_version": 1}, "invalid", "'if_version'"),
        (".status", [1], {}, "invalid", "text"),
        (".status", [], {"x": 1}, "invalid", "there are none"),
        ("list", ["x"], {}, "invalid", "0 allowed"),
        ("create", [], {}, "invalid", "1 allowed"),
        ("create", ["a.b"], {}, "invalid", "letters"),
        ("create", ["../x"], {}, "invalid", "letters"),
        ("create", [""], {}, "invalid", "letters"),
        ("create", ["x" * 101], {}, "invalid", "100"),
        ("create", ["list"], {}, "invalid", "procedure"),
        ("create", ["shop"], {}, "invalid", "there is a space"),
        ("create", [1], {}, "invalid", "text"),
        ("create", ["new"], {"log": "memory"}, "invalid", "'log'"),
        ("drop", ["none"], {}, "no_such_space", "none"),
        ("drop", ["shop"], {}, "invalid", "configuration"),
        ("compact", ["none"], {}, "no_such_space", "none"),
        ("backup", ["none"], {}, "no_such_space", "none"),
        ("backup", ["shop"], {}, "invalid", "memory"),
        ("backup", ["shop", "x", "y"], {}, "invalid", "1 to 2"),
    ],
)
def test_the_other_procedures(verb: str, args: Any, kwargs: Any, error: str, says: str) -> None:
    one = stage()
    answer = one.ask("ann", verb, *args, **kwargs)
    assert len(answer) == 3, f"accepted: {answer}"
    assert answer[0] == f"dstm.error.{error}"
    assert says in answer[1]
    unharmed(one)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"bytes", {1: 2}, {"deep": [b"x"]}],
    ids=["nan", "infinity", "bytes", "number as key", "bytes inside"],
)
@pytest.mark.parametrize("serializer", [MSGPACK, CBOR], ids=lambda s: s.name)
def test_values_that_no_json_has(value: Any, serializer: Any) -> None:
    """Only MessagePack and CBOR can carry them at all."""
    one = stage(serializer)
    payload = cbor2.dumps({"ops": [add(value)]}) if serializer is CBOR else None

    raw = msgspec.Raw(payload or msgspec.msgpack.encode({"ops": [add(value)]}))
    request = one.requests["ann"] = one.requests.get("ann", 0) + 1
    told = one("ann", [48, request, {}, "dstm.shop.commit", serializer.dump([]), raw])
    one.answers = told
    uri, _, details = one.answer("ann", request)
    assert uri == "dstm.error.invalid"
    assert details["index"] == 0
    unharmed(one)
