"""Which node has a resource."""

from collections import Counter

import pytest

from router.routing.shards import node_of

NODES = [f"node{number}" for number in range(5)]
KEYS = [f"sensor-{number}" for number in range(2000)]


def test_it_is_the_same_whatever_the_order_of_the_nodes():
    assert [node_of(key, NODES) for key in KEYS] == [node_of(key, reversed(NODES)) for key in KEYS]


def test_it_is_the_same_in_every_process():
    """A client may compute it, too: these values are for ever."""
    assert [node_of(key, NODES) for key in ("sensor-1", "sensor-2", "ü" * 100)] == ["node3", "node2", "node2"]


def test_the_keys_are_spread_evenly():
    counts = Counter(node_of(key, NODES) for key in KEYS)
    assert set(counts) == set(NODES)
    assert min(counts.values()) > 320
    assert max(counts.values()) < 480


def test_only_what_a_node_had_moves_when_it_goes():
    before = {key: node_of(key, NODES) for key in KEYS}
    moved = [key for key in KEYS if node_of(key, NODES[1:]) != before[key]]
    assert moved == [key for key in KEYS if before[key] == NODES[0]]


def test_without_a_node_there_is_no_answer():
    with pytest.raises(ValueError, match=r"max\(\)"):
        node_of("sensor-1", [])


def test_any_text_is_a_key():
    assert node_of("\ud800", ["\udfff"]) == "\udfff"
