"""The transaction that undoes a version."""

from typing import Any

import pytest
from dstm_space_play import add, commit, inc, opened, remove, replace

from realms.dstm.document import Document
from realms.dstm.operations import apply
from realms.dstm.reads import Read
from realms.dstm.undo import undoing_transaction
from realms.dstm.work import Limits

BEFORE: dict[str, Any] = {"a": 1, "b": {"c": 2}, "list": [1, 2, 3], "n": 5}


@pytest.mark.parametrize(
    "ops",
    [
        [add("/new", 1)],
        [replace("/a", 2)],
        [remove("/b")],
        [inc("/n", 3)],
        [add("/list/0", 0), remove("/list/2")],
        [{"op": "push", "path": "/list", "value": 4}],
        [{"op": "move", "from": "/b", "path": "/z"}],
        [{"op": "merge", "path": "/b", "value": {"c": None, "d": 1}}],
        [replace("", {"other": 1})],
        [{"op": "test", "path": "/a", "value": 1}],
        [add("/a", 2), add("/a", 3), remove("/a")],
    ],
)
def test_it_leads_back(ops: list[dict[str, Any]]) -> None:
    space = opened()
    commit(space, add("", BEFORE))
    commit(space, *ops)
    entry = space.window.entry(2)
    assert entry is not None
    transaction = undoing_transaction("e" * 32, entry, Document.of(BEFORE))
    assert apply(space.head, transaction.ops, Limits()).document.plain() == BEFORE
    assert (transaction.epoch, transaction.base, transaction.tx) == ("e" * 32, 2, None)


def test_it_reads_what_the_version_has_changed() -> None:
    space = opened()
    commit(space, add("/a", 1), add("/a", 2), add("/b", 1))
    entry = space.window.entry(1)
    assert entry is not None
    transaction = undoing_transaction("e" * 32, entry, Document.of({}))
    assert transaction.reads == (Read("value", ("a",)), Read("value", ("b",)))
