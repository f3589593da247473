"""Weights: about how many bytes things take."""

from typing import Any

import pytest

from realms.dstm.changes import Change
from realms.dstm.document import freeze
from realms.dstm.values import size
from realms.dstm.weight import weigh_entry, weigh_node


@pytest.mark.parametrize(
    "value", [1, "text", None, [], {}, [1, 2, 3], {"name": "value", "list": [{"x": "y" * 100}]}]
)
def test_a_node_weighs_about_its_json(value: Any) -> None:
    assert size(value) / 3 <= weigh_node(freeze(value), 10**6) <= 4 * size(value) + 6


def test_what_is_too_much_is_not_looked_at_to_the_end() -> None:
    wide = freeze({str(number): number for number in range(1000)})
    assert 100 < weigh_node(wide, 100) < 3000
    assert 10 < weigh_node(freeze(["x" * 100, "y" * 100]), 10) < 200


def test_an_entry_weighs_its_changes_and_more() -> None:
    bare = weigh_entry([])
    assert weigh_entry([Change("remove", "/a")]) > bare
    assert weigh_entry([Change("add", "/a", "x" * 5000)]) > bare + 5000
    assert weigh_entry([Change("add", "/a", ["x" * 5000])]) > bare + 10_000
    assert weigh_entry([], {"values": ["x" * 5000]}, [], None) > bare + 5000
