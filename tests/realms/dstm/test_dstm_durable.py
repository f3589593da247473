"""What the world may see of a space."""

from typing import Any

import pytest
from dstm_space_play import EPOCH, Played, add, inc, tx

from realms.dstm import errors
from realms.dstm.errors import DstmError


def half_written() -> Played:
    """Give a space with versions 1 and 2 durable, 3 in flight, and 4 in the open batch."""
    played = Played().open()
    played.commit(add("/a", 1), tx=tx(1))
    played.commit(inc("/a", 1), tx=tx(2))
    for number in (3, 4):
        played.submit(inc("/a", 1), tx=tx(number))
        played.around.turn()
    return played


def test_only_what_is_durable_is_seen() -> None:
    space = half_written().space
    assert (space.epoch, space.durable_version, space.version) == (EPOCH, 2, 4)
    assert (space.durable.plain(), space.head.plain()) == ({"a": 2}, {"a": 4})
    entries = space.since(0, 2)
    assert entries is not None
    assert space.durable_hash == space.hash_at(2) == entries[1].hash


def test_old_documents() -> None:
    space = half_written().space
    documents = [space.at(version) for version in range(5)]
    assert [document and document.plain() for document in documents] == [{}, {"a": 1}, {"a": 2}, None, None]
    assert space.oldest_document == 0


def test_old_hashes() -> None:
    space = half_written().space
    assert space.hash_at(1) != space.hash_at(2)
    assert [space.hash_at(version) for version in (0, 3, 4)] == [None, None, None]


def test_old_commits() -> None:
    space = half_written().space
    assert [entry.version for entry in space.since(0, 2) or []] == [1, 2]
    assert space.since(0, 3) is None
    assert space.horizon == 0


def test_the_version_of_a_transaction() -> None:
    played = half_written()
    played.submit({"op": "remove", "path": "/none"}, tx=tx(5))
    played.around.settle()
    assert [played.space.version_of(tx(number)) for number in (1, 2, 5, 6)] == [1, 2, None, None]
    assert half_written().space.version_of(tx(3)) is None


def test_undoing() -> None:
    assert half_written().space.inverse(2).base == 2


@pytest.mark.parametrize(
    "seen",
    ["epoch", "durable_version", "durable", "durable_hash", "version", "head", "horizon", "oldest_document"],
)
def test_nothing_is_seen_before_it_is_open(seen: str) -> None:
    space: Any = Played().space
    with pytest.raises(DstmError, match="is closed: it is not open yet") as caught:
        getattr(space, seen)
    assert caught.value.uri == errors.UNAVAILABLE
