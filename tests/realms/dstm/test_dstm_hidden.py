"""
A role with pointer rules tries everything to learn a hidden value.

Two ways to hold it: a table of attempts that are all refused; and two spaces that differ in hidden
values alone, in which a session with rules is told exactly the same, byte for byte.
"""

from typing import Any

import pytest
from dstm_stage import Stage

RULES = {
    "spy": [
        {"pointer": "/users/{authid}/**", "allow": ["read", "write"]},
        {"pointer": "/users/*/name", "allow": ["read"]},
        {"pointer": "/open/**", "allow": ["read", "write"]},
        {"pointer": "/inbox/**", "allow": ["write"]},
        {"pointer": "/inbox", "allow": ["read"]},
        {"pointer": "/rows/*/label", "allow": ["read"]},
    ],
    "clerk": [{"pointer": "/**", "allow": ["read", "write"]}],
}
SECRET = 7041
CLIENT = "0123456789abcdef" * 2


def document(secret: Any) -> Any:
    return {
        "users": {"spy@x": {"name": "Spy"}, "bob": {"name": "Bob", "pin": secret}},
        "open": {"n": 1, "list": [1]},
        "inbox": {"first": secret},
        "rows": [{"label": "in an array", "price": secret}],
        "secret": secret,
    }


def stage(secret: Any = SECRET, **settings: Any) -> Stage:
    constraint = {"pointer": "/secret", "predicate": "dstm_stage:never_zero"}
    one = Stage(access=RULES, constraints=[constraint], **settings)
    one.enter("boss").enter("spy", role="spy")
    one.put("boss", "", document(secret))
    return one


def op(kind: str, path: str, value: Any = 1, **more: Any) -> Any:
    return {"op": kind, "path": path, **({} if kind == "remove" else {"value": value}), **more}


def sourced(kind: str, source: str, path: str = "/open/x") -> Any:
    return {"op": kind, "from": source, "path": path}


HIDDEN = ["/secret", "/users/bob/pin", "/users/bob", "/users", "", "/inbox/first", "/rows", "/rows/0/price"]
ROWS = ["/rows/0", "/rows/0/label"]  # a rule leads there, through an array

ATTEMPTS: list[tuple[str, list[Any], dict[str, Any]]] = [
    *[(".get", [pointer], {}) for pointer in ("/secret", "/users/bob/pin", "/inbox/first", "/rows/0/price")],
    (".get", [["/open", "/secret"]], {}),
    (".get", ["/secret"], {"at": 1}),
    (".get", ["/secret"], {"min_version": 1}),
    (".get", ["/none"], {}),
    *[(".commit", [], {"base": 1, "reads": [pointer]}) for pointer in HIDDEN + ROWS],
    *[(".commit", [], {"base": 1, "reads": [["keys", pointer]]}) for pointer in HIDDEN + ROWS],
    (".commit", [], {"base": 1, "reads": [["exists", "/secret"]]}),
    (".commit", [], {"base": 1, "reads": [["exists", "/users/bob/pin"]]}),
    (".commit", [], {"base": 1, "reads": [["exists", "/rows/0/label"]]}),
    *[(".commit", [], {"want": [pointer]}) for pointer in HIDDEN + ROWS],
    *[(".commit", [], {"ops": [op("test", pointer, SECRET)]}) for pointer in HIDDEN + ROWS],
    *[(".commit", [], {"ops": [sourced("copy", pointer)]}) for pointer in [*HIDDEN[:4], *HIDDEN[5:], *ROWS]],
    *[(".commit", [], {"ops": [sourced("move", pointer)]}) for pointer in [*HIDDEN[:4], *HIDDEN[5:], *ROWS]],
    *[(".commit", [], {"ops": [op(kind, "/secret")]}) for kind in ("add", "replace", "remove", "setdefault")],
    *[(".commit", [], {"ops": [op(kind, "/inbox/first")]}) for kind in ("replace", "remove", "setdefault")],
    *[
        (".commit", [], {"ops": [op(kind, pointer)]})
        for kind in ("inc", "min", "max", "push", "merge")
        for pointer in ("/secret", "/inbox/first", "/users/bob/pin", "/rows/0/price")
    ],
    (".commit", [], {"ops": [op("inc", "/secret", 0, min=5000)]}),
    (".commit", [], {"ops": [op("inc", "/secret", 0, max=5000)]}),
    (".commit", [], {"ops": [op("inc", "/secret", 2**53 - 1)]}),
    (".commit", [], {"ops": [op("merge", "", {"users": {"bob": {"pin": 1}}})]}),
    (".commit", [], {"ops": [op("merge", "/users", {"bob": None})]}),
    (".commit", [], {"ops": [op("replace", "/users", {})]}),
    (".commit", [], {"ops": [op("replace", "", {})]}),
    (".commit", [], {"ops": [op("add", "/open/x"), op("test", "/secret", SECRET)]}),
    (".put", ["/secret", 0], {}),
    (".put", ["/secret", 0], {"if_version": 1}),
    (".put", ["/open/n", 0], {"if_version": 1, "x": 0}),
    (".patch", ["/secret", {}], {}),
    (".patch", ["", [op("test", "/secret", SECRET)]], {}),
    (".inc", ["/secret"], {}),
    (".inc", ["/secret", 0], {"max": 5000}),
    (".delete", ["/secret"], {}),
    (".delete", ["/users"], {}),
    *[(".wait", [], {"base": 1, "reads": [pointer]}) for pointer in HIDDEN + ROWS],
    (".wait", [], {"base": 1, "reads": [["keys", "/users"]]}),
    (".view", [], {"paths": ["/open", "/secret"]}),
    (".view", [], {"paths": ["/users/bob/pin"]}),
    (".sync", [], {"paths": ["/secret"]}),
    (".history", [], {"pointer": "/secret"}),
    (".status", ["/secret"], {}),
    (".undo", [1], {}),
    (".run", ["peek"], {}),
]


@pytest.mark.parametrize(("verb", "args", "kwargs"), ATTEMPTS)
def test_every_attempt_is_refused(verb: str, args: Any, kwargs: Any) -> None:
    functions = {"peek": {"function": "dstm_stage:peek", "roles": ["clerk"]}}
    one = stage(functions=functions)
    one.follow("spy", "dstm.", "prefix")
    answer = one.ask("spy", verb, *args, **kwargs)
    assert len(answer) == 3, f"{verb} {args} {kwargs} gave {answer}"
    expected = "dstm.error.invalid" if "x" in kwargs else "wamp.error.not_authorized"
    assert answer[0] == expected
    assert str(SECRET) not in repr(answer)
    assert one.events == []
    assert one.ask("boss", ".get")[0] == [document(SECRET)]


def script(secret: Any, other: Any) -> list[Any]:
    """Do the same with different hidden values; give all that the spy was told."""
    functions = {"peek": {"function": "dstm_stage:peek", "roles": ["clerk"]}}
    one = stage(secret, functions=functions, digest_every=1, limits={"page_bytes": 1024})
    said: list[Any] = []
    topics = ["dstm.shop.delta"]
    for paths in (["/users"], ["/rows", "/secret", "/open"], ["/open/n"]):
        answer = one.ask("spy", ".view", paths=paths)
        said.append(answer)
        topics += [answer[1]["topic"]] if len(answer) == 2 else []
    for topic in topics:
        one.follow("spy", topic)
    one.follow("spy", "dstm.", "prefix")
    one.follow("spy", "dstm..delta", "wildcard")
    said.append(one.ask("spy", ".sync"))
    hidden_steps = [
        op("replace", "/secret", other),
        op("replace", "/users/bob/pin", other),
        op("replace", "/users/bob", {"name": "Bob", "pin": other}),
        op("replace", "/users/bob", {"name": "Rob", "pin": other}),
        op("replace", "/rows", [{"label": other}]),
        op("replace", "/rows", {"0": {"label": "seen", "price": other}}),
        op("replace", "/rows", [{"label": "gone"}]),
        op("add", "/users/new", {"pin": other}),
        op("replace", "/inbox", {"first": other}),
        op("replace", "/users", {"spy@x": {"name": "Spy"}, "bob": {"pin": other}}),
        op("replace", "", document(other)),
    ]
    for number, step in enumerate(hidden_steps):
        version = one.ask("boss", ".commit", ops=[step])[1]["version"]
        base = max(1, version - 3)
        said.append(one.ask("spy", ".get"))
        said.append(one.ask("spy", ".get", ["/users", "/rows", "/inbox"], at=base))
        said.append(one.ask("spy", ".sync", base))
        said.append(one.ask("spy", ".sync", paths=["/users"]))
        said.append(
            one.ask("spy", ".commit", base=base, reads=["/users/bob/name"], ops=[op("inc", "/open/n")])
        )
        said.append(
            one.ask("spy", ".commit", base=base, reads=["/open/n"], ops=[op("add", "/open/x", number)])
        )
        said.append(one.ask("spy", ".history", -5))
        said.append(one.ask("spy", ".undo", version))
        said.append(one.ask("spy", ".status"))
        said.append(one.ask("spy", ".put", "/inbox/mine", number))
        said.append(one.ask("spy", ".commit", tx=f"{CLIENT}:{number}", want=["/users/bob/name"]))
        said.append([wire for who, wire in one.events if who == "spy"])
        one.events.clear()
    for verb, args, kwargs in ATTEMPTS:
        said.append(one.ask("spy", verb, *args, **kwargs))
    for answer in said:
        assert "digest" not in repr(answer)
    return said


@pytest.mark.parametrize(("secret", "other"), [(1, 8), (8, 1), (SECRET, SECRET)])
def test_what_is_told_does_not_depend_on_hidden_values(secret: Any, other: Any) -> None:
    plain, mine = script(2, 3), script(secret, other)
    assert len(plain) == len(mine)
    for one, two in zip(plain, mine, strict=True):
        assert one == two


def test_the_spy_follows_all_that_it_may_see() -> None:
    """The same session is told the rest, and its replica ends equal to what it gets."""
    one = stage()
    one.follow("spy")
    _, synced = one.ask("spy", ".sync")
    assert synced["snapshot"] == {
        "users": {"spy@x": {"name": "Spy"}, "bob": {"name": "Bob"}},
        "open": {"n": 1, "list": [1]},
        "inbox": {},
    }
    one.put("boss", "/users/bob/pin", 5)
    one.put("boss", "/users/bob", {"name": "Rob", "pin": 6})
    one.put("spy", "/open/n", 9)
    deltas = one.deltas("spy")
    assert [delta[:3] for delta in deltas] == [
        [1, 3, [{"op": "replace", "path": "/users/bob", "value": {"name": "Rob"}}]],
        [3, 4, [{"op": "replace", "path": "/open/n", "value": 9}]],
    ]


def test_sessions_that_see_the_same_share_what_is_made() -> None:
    rules = {"reader": [{"pointer": "/open/**", "allow": ["read"]}], "clerk": RULES["clerk"]}
    one = Stage(access=rules).enter("boss").enter("r1", "r2", "r3", role="reader")
    for name in ("r1", "r2", "r3"):
        one.follow(name)
    one.put("boss", "/open", 1)
    assert len({repr(one.deltas(name)) for name in ("r1", "r2", "r3")}) == 1
    assert len(one.dstm.apis["shop"].feed.trails) == 1


def test_a_role_without_rules_may_nothing() -> None:
    one = Stage(access={"spy": RULES["spy"]}).enter("ann")
    assert one.ask("ann", ".get")[0] == "wamp.error.not_authorized"
    assert one.ask("ann", ".sync")[0] == "wamp.error.not_authorized"
    assert one.ask("ann", ".put", "/x", 1)[0] == "wamp.error.not_authorized"


def test_a_conflict_tells_what_the_replica_would_be_told() -> None:
    one = stage()
    one.follow("spy")
    one.ask("spy", ".sync")
    one.put("boss", "/secret", 5)
    one.put("boss", "/open/n", 2)
    uri, _, details = one.ask("spy", ".commit", base=1, reads=["/open/n"], ops=[op("inc", "/open/n")])
    assert uri == "dstm.error.conflict"
    assert details["deltas"] == one.deltas("spy")
    assert details["paths"] == ["/open/n"]
    one.put("boss", "/open/n", 2)
    one.put("boss", "/open/n", 3)
    (_, _, details) = one.ask("spy", ".commit", base=2, reads=["/open/n"], ops=[])
    assert details["resync"] is True


def test_a_constraint_on_hidden_parts_is_not_explained() -> None:
    rules = {"spy": [{"pointer": "/a/x/**", "allow": ["read", "write"]}], "clerk": RULES["clerk"]}
    broken = [{"pointer": "/a", "predicate": "dstm_stage:tells_all"}]
    one = Stage(access=rules).enter("boss").enter("spy", role="spy")
    one.put("boss", "", {"a": {"x": 1, "y": SECRET}})
    one.configure(access=rules, constraints=broken)
    uri, text, details = one.ask("spy", ".put", "/a/x", 2)
    assert (uri, details) == ("dstm.error.constraint", {})
    assert str(SECRET) not in text
    assert str(SECRET) in one.ask("boss", ".put", "/a/x", 2)[1]
    one.configure(access=rules, constraints=[{"pointer": "/a/x", "maximum": 5}])
    assert one.ask("spy", ".put", "/a/x", 9)[2]["path"] == "/a/x"


def test_other_errors_are_told_as_they_are() -> None:
    one = stage()
    assert one.ask("spy", ".commit", ops=[op("remove", "/open/none")])[2]["index"] == 0
    assert one.ask("spy", ".commit", ops=[op("inc", "/open/n", 5, max=3)])[2]["reason"]
    one.put("boss", "/open/n", 2)
    assert one.ask("spy", ".undo", 2)[1]["version"] == 3


def test_the_size_of_the_document_is_not_told() -> None:
    one = stage(limits={"document_bytes": 1024})
    one.put("boss", "/secret", "s" * 600)
    _, text, details = one.ask("spy", ".put", "/open/x", "x" * 500)
    assert details == {}
    assert not any(character.isdigit() for character in text)


def test_changed_rules_hold_for_open_sessions() -> None:
    one = stage()
    one.follow("spy")
    _, before = one.ask("spy", ".sync")
    rules = {**RULES, "spy": [{"pointer": "/open/n", "allow": ["read"]}]}
    one.configure(access=rules, constraints=[])
    one.events.extend(one.sent())
    assert [wire[4:] for who, wire in one.events if who == "spy"] == [[[], {"epoch": "0" * 32}]]
    one.put("boss", "/users/bob/name", "not told")
    one.put("boss", "/open/n", 4)
    ((_, version, changes, meta),) = one.deltas("spy")
    assert (version, changes) == (3, [{"op": "replace", "path": "/open/n", "value": 4}])
    _, after = one.ask("spy", ".sync", before["version"], before["epoch"], before["hash"])
    assert after["snapshot"] == {"open": {"n": 4}}
    assert after["hash"] == meta["hash"]
