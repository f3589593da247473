"""The persistent mapping, against a dict."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realms.dstm.trie import DEEPEST, LEAF, WIDTH, Trie

keys = st.integers(0, 400).map(str)
edits = st.lists(st.tuples(st.sampled_from(["set", "set", "remove"]), keys), max_size=60)


class Same(str):
    """A text whose hash is that of all others of its class."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 7


def check(trie: Trie, plain: dict[str, Any]) -> None:
    """Check that both hold the same."""
    assert len(trie) == len(plain)
    assert dict(trie.items()) == plain
    assert all(trie.get(key) == value for key, value in plain.items())


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, LEAF, LEAF + 1, 5 * LEAF]), edits)
def test_a_trie_is_as_a_dict(length: int, script: list[tuple[str, str]]) -> None:
    """Each edit gives what a dict has, and leaves what was there before as it was."""
    plain: dict[str, Any] = {str(number): number for number in range(length)}
    trie = Trie.of(plain)
    check(trie, plain)
    for number, (what, key) in enumerate(script):
        before, was = trie, dict(plain)
        if what == "set":
            trie, plain[key] = trie.set(key, -number), -number
        elif key in plain:
            trie = trie.remove(key)
            del plain[key]
        else:
            with pytest.raises(KeyError):
                trie.remove(key)
        check(before, was)
    check(trie, plain)


def test_it_grows_from_nothing_by_single_members() -> None:
    trie = Trie.of({})
    for number in range(3 * WIDTH * LEAF):
        trie = trie.set(str(number), number)
    check(trie, {str(number): number for number in range(3 * WIDTH * LEAF)})


def test_missing_keys() -> None:
    """A key that is not there gives the default, ``None`` unless another is asked for."""
    trie = Trie.of({str(number): number for number in range(LEAF + 1)})
    assert trie.get("x") is None
    assert trie.get("x", 1) == 1


def test_keys_of_one_hash_share_a_leaf() -> None:
    """However many there are, the trie becomes no deeper than the hash has bits."""
    plain = {Same(number): number for number in range(3 * LEAF)}
    trie = Trie.of(plain)
    for number in range(3 * LEAF, 4 * LEAF):
        key = Same(number)
        trie, plain[key] = trie.set(key, number), number
    check(trie, plain)
    check(trie.remove(Same(5)), {key: value for key, value in plain.items() if value != 5})
    assert DEEPEST * 5 <= 64


def test_the_members_can_be_read_on_while_others_edit() -> None:
    """An iteration goes over the members that were there when it began."""
    plain = {str(number): number for number in range(10 * LEAF)}
    trie = Trie.of(plain)
    items = trie.items()
    first = next(items)
    for key in plain:
        trie = trie.remove(key)
    assert dict([first, *items]) == plain
    assert len(trie) == 0


def nodes(node: Any) -> int:
    """Count the lists and leaves of which something is made."""
    return 1 + sum(map(nodes, node)) if isinstance(node, list) else 1


def test_nothing_stays_of_what_was_large_once() -> None:
    """Whatever the order of removals, what is left lies in about as few leaves as it needs."""
    plain = {str(number): number for number in range(20 * WIDTH * LEAF)}
    trie = Trie.of(plain)
    assert nodes(trie._root) > 20 * WIDTH
    for key in list(plain)[: -LEAF // 4]:
        trie = trie.remove(key)
        del plain[key]
    check(trie, plain)
    assert nodes(trie._root) <= 1 + 2 * WIDTH
    for key in plain:
        trie = trie.remove(key)
    assert trie._root == {}


def test_members_that_go_and_come_again() -> None:
    """Leaves that were joined are split again."""
    trie = Trie.of({})
    for _ in range(2):
        plain: dict[str, int] = {}
        for number in range(5 * LEAF):
            trie, plain[str(number)] = trie.set(str(number), number), number
        check(trie, plain)
        for key in plain:
            trie = trie.remove(key)
        check(trie, {})
