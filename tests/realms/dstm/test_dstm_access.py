"""Pointer rules: what a sight allows at each pointer."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realms.dstm.access import (
    BOTH,
    READ,
    UNIFORM,
    WRITE,
    Rule,
    Rules,
    Wild,
    found,
    is_leaf,
    read_pattern,
    shared,
    shown,
    sight_of_paths,
)
from realms.dstm.document import MISSING, Document

MASKS = {"r": READ, "w": WRITE, "rw": BOTH, "": 0}


def rules(**given: str) -> Rules:
    """Compile rules given as pointer=mask in a dict, passed with ``**``."""
    return Rules(Rule(read_pattern(pattern), MASKS[mask]) for pattern, mask in given.items())


def sight(given: dict[str, str], authid: str = "ann") -> Any:
    found = rules(**given).sight(authid)
    return UNIFORM[BOTH] if found is None else found


def at(given: dict[str, str], pointer: str, authid: str = "ann") -> Any:
    step = sight(given, authid)
    for token in pointer.split("/")[1:]:
        step = step.step(token)
    return step


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", ()),
        ("/**", (Wild.REST,)),
        ("/users/{authid}/**", ("users", Wild.AUTHID, Wild.REST)),
        ("/a~1b/*/c", ("a/b", Wild.ONE, "c")),
    ],
)
def test_patterns_are_read(text: str, pattern: Any) -> None:
    assert read_pattern(text) == pattern


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("users", "JSON Pointer"),
        ("/**/a", "must be the last token"),
        ("/user-*", "one whole token"),
        ("/users/{authrole}", "the only name in braces"),
        ("/list/-", "rules through arrays are refused"),
        ("/a" * 65, "64 tokens"),
        ("/__proto__/x", "__proto__"),
    ],
)
def test_wrong_patterns_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_pattern(text)


@pytest.mark.parametrize(
    ("pointer", "allowed"),
    [
        ("/users/ann", BOTH),
        ("/users/ann/mail", BOTH),
        ("/users/bob", 0),
        ("/users/bob/name", READ),
        ("/users/bob/mail", 0),
        ("/users", 0),
        ("", 0),
        ("/open/x/y", READ),
        ("/open/secret", 0),
        ("/open/secret/deeper", READ),
    ],
)
def test_the_most_specific_rule_decides(pointer: str, allowed: int) -> None:
    given = {
        "/users/{authid}/**": "rw",
        "/users/*/name": "r",
        "/open/**": "r",
        "/open/secret": "",
    }
    assert at(given, pointer).here == allowed


def test_a_literal_goes_before_authid_and_authid_before_any_token() -> None:
    given = {"/*": "r", "/{authid}": "w", "/ann": "rw", "/**": ""}
    assert [at(given, p).here for p in ("/ann", "/bob", "/ann/x")] == [BOTH, READ, 0]
    assert at(given, "/bob", authid="bob").here == WRITE


def test_the_leftmost_token_counts_most() -> None:
    given = {"/a/**": "", "/*/b": "r"}
    assert at(given, "/a/b").here == 0
    assert at(given, "/c/b").here == READ
    assert at(given, "/a").some == 0, "nothing can be visible below: /a/** decides about all of it"


def test_some_and_whole_look_below() -> None:
    given = {"/users/{authid}/**": "rw", "/users": "r"}
    assert (at(given, "").some, at(given, "").whole) == (BOTH, 0)
    assert (at(given, "/users").here, at(given, "/users").some, at(given, "/users").whole) == (READ, BOTH, 0)
    assert at(given, "/users/ann").whole == BOTH
    assert at(given, "/users/bob").some == 0
    assert at({"/**": "rw", "/a/b": "r"}, "/a").whole == READ
    assert at({"/**": "rw", "/a/*/c/**": "r"}, "/a").whole == READ
    assert at({"/**": "rw", "/a/b": "r"}, "/a/b").whole == READ
    assert at({"/**": "rw", "/a/b": "r"}, "/a/b/c").whole == BOTH
    assert at({"/a": "rw"}, "/a").whole == 0, "of what is below nothing is said, so nothing is allowed"


def test_a_role_that_may_do_everything_needs_no_sight() -> None:
    assert rules(**{"/**": "rw"}).sight("ann") is None
    assert rules(**{"/**": "r"}).sight("ann") is not None
    assert rules().sight("ann") is not None


def test_only_rules_that_name_the_authid_differ_between_sessions() -> None:
    assert rules(**{"/{authid}": "r"}).names_authid
    assert not rules(**{"/authid": "r"}).names_authid


def test_an_authid_is_one_token_whatever_it_holds() -> None:
    given = {"/users/{authid}/**": "rw"}
    assert at(given, "/users/a/x", authid="a/x").some == 0
    assert sight(given, "a/x").step("users").step("a/x").whole == BOTH
    assert sight(given, "**").step("users").step("ann").some == 0
    assert sight(given, "").step("users").step("").whole == BOTH


def test_named_and_other_members() -> None:
    step = at({"/users/{authid}/**": "rw", "/users/root": "r", "/users/*/name": "r"}, "/users")
    assert step.named() == {"ann", "root"}
    assert (step.other().here, step.other().some) == (0, READ)
    assert step.step("bob") is step.other()
    assert UNIFORM[READ].named() == set()
    assert UNIFORM[READ].step("x") is UNIFORM[READ].other() is UNIFORM[READ]


def test_two_sights_allow_what_both_allow() -> None:
    view = sight_of_paths([("users", "bob"), ("open",)])
    both = shared(view, sight({"/users/{authid}/**": "rw", "/open/**": "r"}))
    assert both.step("open").whole == READ
    assert both.step("users").some == BOTH
    assert both.step("users").step("ann").some == 0
    assert both.step("users").step("bob").some == 0
    assert both.step("users") is both.step("users")
    assert both.named() == {"users", "open"}
    assert both.other().some == 0
    whole = UNIFORM[BOTH]
    assert shared(whole, view) is view
    assert shared(view, whole) is view


def test_a_view_shows_its_paths_and_the_way_to_them() -> None:
    view = sight_of_paths([("a", "b"), ("a", "b", "c"), ("x",)])
    assert (view.here, view.some, view.whole) == (0, BOTH, 0)
    assert view.step("a").step("b").whole == BOTH
    assert view.step("a").step("c").some == 0
    assert sight_of_paths([()]).whole == BOTH


def test_below_an_array_the_rules_of_the_array_hold() -> None:
    document = Document.of({"list": [{"secret": 1}], "open": [[1, 2]]})
    root = sight({"/list/*/name": "r", "/list": "r", "/open/**": "r"})
    step, node = found(document, ("list", "0", "name"), root)
    assert (step.some, node) == (0, MISSING)
    step, node = found(document, ("open", "0", "1"), root)
    assert (step.whole, node) == (READ, 2)
    step, node = found(document, ("missing", "x"), root)
    assert (step.some, node) == (0, MISSING)
    assert found(document, (), root)[0] is root


def test_what_is_shown_of_a_pointer_is_bounded() -> None:
    assert shown(("a", "b/c")) == "/a/b~1c"
    assert len(shown(("x" * 1000,))) == 200


def test_leaves() -> None:
    document = Document.of({"a": 1, "b": {}, "c": []})
    assert [is_leaf(document.find(path)) for path in [("a",), ("b",), ("c",), ("d",)]] == [
        True,
        False,
        False,
        True,
    ]


TOKENS = st.sampled_from(["a", "b", "me"])
PATTERN = st.tuples(st.lists(st.sampled_from(["a", "b", "*", "{authid}"]), max_size=3), st.booleans()).map(
    lambda drawn: "".join(f"/{token}" for token in drawn[0]) + ("/**" if drawn[1] else "")
)
GIVEN = st.dictionaries(PATTERN, st.sampled_from(list(MASKS)), max_size=5)
RANK = {"{authid}": 1, "*": 2, "**": 3}


def decided(given: dict[str, str], path: list[str]) -> int:
    """Do the same from the definition: of the patterns that match, the first in order of its tokens."""
    matching = []
    for pattern, mask in given.items():
        tokens = pattern.split("/")[1:]
        rest = tokens[-1:] == ["**"]
        head = tokens[:-1] if rest else tokens
        long_enough = len(path) >= len(head) if rest else len(path) == len(head)
        fits = {"*": lambda t: True, "{authid}": lambda t: t == "me"}
        agrees = all(fits.get(p, lambda t, p=p: t == p)(t) for p, t in zip(head, path, strict=False))  # type: ignore[misc]
        if long_enough and agrees:
            matching.append(([RANK.get(token, 0) for token in head] + [3] * rest, mask))
    return MASKS[min(matching)[1]] if matching else 0


@given(GIVEN, st.lists(TOKENS, max_size=4))
def test_it_decides_as_defined(given: dict[str, str], path: list[str]) -> None:
    assert at(given, "".join(f"/{token}" for token in path), authid="me").here == decided(given, path)


@given(GIVEN, st.lists(TOKENS, max_size=3), st.lists(TOKENS, max_size=3))
def test_whole_holds_below_and_nothing_is_below_where_some_is_nothing(
    given: dict[str, str], path: list[str], more: list[str]
) -> None:
    above = at(given, "".join(f"/{token}" for token in path), authid="me")
    below = decided(given, path + more)
    assert above.whole & ~below == 0
    assert below & ~above.some == 0
