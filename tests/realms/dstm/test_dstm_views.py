"""Trails and views: what was told to whom, kept within bounds."""

from typing import Any

import pytest
from dstm_stage import Stage, space_config

from realms.dstm import eyes, feed, views
from realms.dstm.access import sight_of_paths
from realms.dstm.changes import Change, chain, first_hash
from realms.dstm.document import Document
from realms.dstm.eyes import EVERYTHING, Eyes
from realms.dstm.log import Record
from realms.dstm.views import Trail, Views, distinct
from realms.dstm.window import Entry

EPOCH = "e" * 32


def entry(version: int, *changes: Change) -> Entry:
    return Entry(version, 1000 + version, changes, b"", Record("commit", version, 0), 0)


def trail() -> Trail:
    return Trail(sight_of_paths([("a",)]), "name", EPOCH, 0)


class TestTrail:
    def test_it_tells_what_its_sight_shows(self) -> None:
        one, document = trail(), Document.of({})
        start = one.hash
        assert start == first_hash(f"{EPOCH} 0 name")
        assert one.follow(document, entry(1, Change("add", "/b", 1))) is None
        change = Change("add", "/a", 1)
        delta: Any = one.follow(document, entry(2, change, Change("add", "/c", 1)))
        assert (delta.from_version, delta.version, delta.changes, delta.time) == (0, 2, (change,), 1002)
        assert delta.hash == one.hash == chain(start, 2, [change])
        assert (one.version, one.seen) == (2, 2)

    def test_it_catches_up_with_what_shows_nothing(self) -> None:
        one = trail()
        assert one.catch_up(5) is None
        one.follow(Document.of({}), entry(1, Change("add", "/b", 1)))
        delta: Any = one.catch_up(1001)
        assert delta.wire()[:3] == [0, 1, []]
        assert one.version == 1

    def test_it_leads_a_replica_on(self) -> None:
        one = trail()
        hashes = [one.hash]
        for version in range(1, 4):
            one.follow(Document.of({"a": 0}), entry(version, Change("replace", "/a", version)))
            hashes.append(one.hash)
        assert [delta.version for delta in one.since(1, hashes[1]) or []] == [2, 3]
        assert one.since(3, hashes[3]) == []
        assert one.since(3, hashes[0]) is None
        assert one.since(1, hashes[2]) is None
        assert one.since(7, None) is None

    def test_what_it_keeps_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(views, "KEPT_DELTAS", 3)
        one, document = trail(), Document.of({"a": ""})
        for version in range(1, 6):
            one.follow(document, entry(version, Change("replace", "/a", "x")))
        assert one.since(1, None) is None
        assert len(one.since(2, None) or []) == 3
        monkeypatch.setattr(views, "KEPT_BYTES", 1000)
        one.follow(document, entry(6, Change("replace", "/a", "x" * 2000)))
        assert one.since(5, None) is None


class TestViews:
    def test_paths_that_others_cover_count_once(self) -> None:
        paths = [("b",), ("a", "b"), ("a",), ("a", "b", "c"), ("b",), ("ab",)]
        assert distinct(paths) == (("a",), ("ab",), ("b",))
        assert distinct([(), ("a",)]) == ((),)

    def test_unused_ones_make_room_and_used_ones_stay(self) -> None:
        found = Views("shop", 2)
        in_use = {found.open([("a",)], 0, bool).topic}  # type: ignore[union-attr]
        found.open([("b",)], 0, bool)
        assert found.open([("c",)], 59_999, lambda topic: topic in in_use) is None
        assert found.open([("c",)], 60_000, lambda topic: topic in in_use) is not None
        assert [view.paths for view in found] == [(("a",),), (("c",),)]


class TestEyes:
    def test_without_rules_all_see_all(self) -> None:
        assert Eyes(space_config()).of(Stage().enter("ann").sessions["ann"]) is EVERYTHING

    def test_what_is_remembered_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(eyes, "MAX_CACHED", 1)
        config = space_config(access={"clerk": [{"pointer": "/{authid}/**", "allow": ["read"]}]})
        one = Stage().enter("ann", "bob")
        found = Eyes(config)
        keys = {found.key_of(one.sessions[name]) for name in ("ann", "bob", "ann")}
        assert len(keys) == 2
        found.left(one.sessions["ann"].id)
        assert found.key_of(one.sessions["ann"]) in keys


RULES = {
    "reader": [{"pointer": "/{authid}/**", "allow": ["read"]}],
    "clerk": [{"pointer": "/**", "allow": ["read", "write"]}],
}


class TestTrailsOfASpace:
    def test_their_number_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(feed, "MAX_TRAILS", 2)
        one = Stage(access=RULES).enter("boss").enter("r1", "r2", "r3", role="reader")
        for name in ("r1", "r2", "r3"):
            one.ask(name, ".sync")
        one.follow("boss")
        one.put("boss", "/x", 1)
        assert len(one.dstm.apis["shop"].feed.trails) == 2

    def test_one_that_is_far_behind_begins_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one = Stage(access=RULES).enter("boss").enter("r", role="reader")
        one.put("boss", "/r@x", "x" * 3000)

        def again(synced: Any) -> str:
            answer = one.ask("r", ".sync", synced["version"], synced["epoch"], synced["hash"])[1]
            return "deltas" if "deltas" in answer else "snapshot"

        synced = one.ask("r", ".sync")[1]
        one.put("boss", "/x", 1)
        assert again(synced) == "deltas"
        monkeypatch.setattr(feed, "MAX_BEHIND", 1)
        one.put("boss", "/x", 2)
        one.put("boss", "/x", 3)
        assert again(synced) == "snapshot"

    def test_one_whose_versions_are_forgotten_begins_anew(self) -> None:
        one = Stage(access=RULES, window={"versions": 2}).enter("boss").enter("r", role="reader")
        one.put("boss", "/r@x", "x" * 3000)
        synced = one.ask("r", ".sync")[1]
        for number in range(5):
            one.put("boss", "/x", number)
        assert "snapshot" in one.ask("r", ".sync", synced["version"], synced["epoch"], synced["hash"])[1]
