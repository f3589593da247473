"""What a sight shows of documents, of changes, and of a transaction's place to be refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realms.dstm.access import BOTH, READ, UNIFORM, WRITE, Rule, Rules, read_pattern
from realms.dstm.changes import Change
from realms.dstm.document import MISSING, Document
from realms.dstm.visible import can_show, visible, visible_changes

MASKS = {"r": READ, "w": WRITE, "rw": BOTH, "": 0}
FULL = {
    "users": {"ann": {"name": "Ann", "mail": "a@x"}, "bob": {"name": "Bob", "mail": "b@x"}},
    "news": [1, {"x": 2}],
    "secret": 3,
}
RULES = {"/users/{authid}/**": "rw", "/users/*/name": "r", "/news/**": "r"}


def sight(rules: dict[str, str], authid: str = "ann") -> Any:
    found = Rules(Rule(read_pattern(p), MASKS[mask]) for p, mask in rules.items()).sight(authid)
    return UNIFORM[BOTH] if found is None else found


def shown(value: Any, rules: dict[str, str]) -> Any:
    return visible(Document.of(value).find(()), sight(rules))


def told(before: Any, rules: dict[str, str], *changes: Change) -> list[Any]:
    return [change.wire() for change in visible_changes(Document.of(before), changes, sight(rules))]


def test_members_that_are_not_allowed_are_missing() -> None:
    assert shown(FULL, RULES) == {
        "users": {"ann": {"name": "Ann", "mail": "a@x"}, "bob": {"name": "Bob"}},
        "news": [1, {"x": 2}],
    }
    assert shown(FULL, {"/users/{authid}/**": "rw"}) == {"users": {"ann": FULL["users"]["ann"]}}  # type: ignore[index]
    assert shown(FULL, {"/**": "r"}) == FULL
    assert shown(FULL, {"/secret": "w"}) is MISSING


def test_on_the_way_only_objects_are_shown() -> None:
    assert shown({"users": "none"}, RULES) == {}
    assert shown({"users": [{"name": "x"}]}, RULES) == {}
    assert shown({"users": {}}, RULES) == {"users": {}}


def test_an_array_is_shown_whole_or_not_at_all() -> None:
    assert shown({"news": [[1]]}, {"/news/**": "r", "/news/0/**": ""}) == {}
    assert shown({"a": [], "b": 1, "c": {"d": 1}}, {"/a": "r", "/b": "r", "/c": "r"}) == {"b": 1, "c": {}}


def test_whether_anything_can_be_shown() -> None:
    document = Document.of(FULL)
    root = sight({**RULES, "/secret": "r"})
    assert can_show(document.find(()), root)
    assert can_show(document.find(("secret",)), root.step("secret"))
    assert not can_show(document.find(("users", "bob", "mail")), root.step("users").step("bob").step("mail"))
    assert not can_show(MISSING, UNIFORM[BOTH])
    assert not can_show(document.find(("news",)), sight({"/news": "r"}).step("news"))
    assert can_show(document.find(("news",)), UNIFORM[READ])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            Change("replace", "/users/ann/mail", "new"),
            [{"op": "replace", "path": "/users/ann/mail", "value": "new"}],
        ),
        (Change("replace", "/users/bob/mail", "new"), []),
        (Change("replace", "/secret", 4), []),
        (Change("add", "/news/0", 0), [{"op": "add", "path": "/news/0", "value": 0}]),
        (Change("remove", "/users/bob"), [{"op": "remove", "path": "/users/bob"}]),
        (
            Change("replace", "/users/bob", {"name": "B", "mail": 1}),
            [{"op": "replace", "path": "/users/bob", "value": {"name": "B"}}],
        ),
        (Change("replace", "/users/bob", {"name": "Bob", "mail": 1}), []),
        (
            Change("add", "/users/carl", {"mail": 1}),
            [{"op": "add", "path": "/users/carl", "value": {}}],
        ),
        (Change("replace", "/users", "gone"), [{"op": "remove", "path": "/users"}]),
        (Change("replace", "", {"secret": 1}), [{"op": "replace", "path": "", "value": {}}]),
        (Change("replace", "", [1]), [{"op": "replace", "path": "", "value": {}}]),
    ],
)
def test_a_change_is_told_as_far_as_it_is_visible(change: Change, expected: list[Any]) -> None:
    assert told(FULL, RULES, change) == expected


def test_a_change_makes_something_visible_and_invisible_again() -> None:
    rules = {"/a/b": "r"}
    assert told({"a": 1}, rules, Change("replace", "/a", {"b": 1, "c": 2})) == [
        {"op": "add", "path": "/a", "value": {"b": 1}}
    ]
    assert told({"a": {"b": 1}}, rules, Change("replace", "/a", [1])) == [{"op": "remove", "path": "/a"}]
    assert told({"a": {"b": 1}}, rules, Change("replace", "/a/b", {"x": 1})) == [
        {"op": "replace", "path": "/a/b", "value": {}}
    ]


def test_nothing_is_told_of_hidden_arrays() -> None:
    assert told({"users": [{"name": "x"}]}, RULES, Change("replace", "/users/0/name", "y")) == []
    assert told({"users": 1}, RULES, Change("replace", "/users", [1])) == []


def test_changes_of_one_version_are_looked_at_in_their_order() -> None:
    assert told(
        {"users": {}},
        RULES,
        Change("replace", "/users", [{}]),
        Change("add", "/users/0/name", "hidden in an array"),
        Change("replace", "/users", {"0": {"name": "x"}}),
    ) == [{"op": "remove", "path": "/users"}, {"op": "add", "path": "/users", "value": {"0": {"name": "x"}}}]


def test_true_is_not_one() -> None:
    rules = {"/a": "r", "/a/b": "r"}
    assert told({"a": {"b": 1}}, rules, Change("replace", "/a", {"b": True})) == [
        {"op": "replace", "path": "/a", "value": {"b": True}}
    ]


TOKEN = st.sampled_from(["a", "b", "ann", "0"])
PATTERN = st.tuples(
    st.lists(st.sampled_from(["a", "b", "0", "*", "{authid}"]), max_size=3), st.booleans()
).map(lambda drawn: "".join(f"/{token}" for token in drawn[0]) + ("/**" if drawn[1] else ""))
GIVEN = st.dictionaries(PATTERN, st.sampled_from(["r", "rw", "w", ""]), max_size=4)
VALUE = st.recursive(
    st.sampled_from([0, 1, True, "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TOKEN, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def histories(draw: Any) -> tuple[Document, list[Change]]:
    before = document = Document.of(draw(st.dictionaries(TOKEN, VALUE, max_size=3)))
    changes = []
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.lists(TOKEN, max_size=3).map(tuple))
        node = document.find(path)
        pointer = "".join(f"/{token}" for token in path)
        if node is not MISSING:
            change = draw(
                st.just(Change("remove", pointer))
                if path and draw(st.booleans())
                else VALUE.map(lambda value, pointer=pointer: Change("replace", pointer, value))
            )
        elif path and hasattr(document.find(path[:-1]), "keys"):
            change = Change("add", pointer, draw(VALUE))
        else:
            continue
        document = document.apply([change])
        changes.append(change)
    return before, changes


@given(histories(), GIVEN)
def test_visible_changes_lead_from_one_visible_document_to_the_next(
    history: Any, rules: dict[str, str]
) -> None:
    before, changes = history
    root = sight(rules)
    was, now = (visible(d.find(()), root) for d in (before, before.apply(changes)))
    replica = Document.of({} if was is MISSING else was).apply(visible_changes(before, changes, root))
    assert replica.plain() == ({} if now is MISSING else now)
    assert repr(replica.plain()).count("True") == repr(now).count("True")
