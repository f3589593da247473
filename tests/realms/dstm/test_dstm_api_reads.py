"""``get``, ``sync``, ``view``: what a session is told of a document, whole, in parts, in pages."""

from itertools import pairwise
from typing import Any

import pytest
from dstm_stage import Stage

from realms.dstm.changes import Change, chain, first_hash
from realms.dstm.digest import digest
from realms.dstm.document import Document

BIG = {f"key{number}": "v" * 100 for number in range(300)}
SMALL_PAGES = {"limits": {"page_bytes": 1024, "pages_per_session": 2, "page_timeout_ms": 1000}}


def stage(**settings: Any) -> Stage:
    one = Stage(**settings).enter("ann", "bob")
    one.put("ann", "", {"a": {"b": [1, 2]}, "n": None})
    return one


def applied(document: Any, deltas: list[Any]) -> Any:
    """Apply deltas as a replica does, and check that they are consecutive and chained."""
    replica = Document.of(document)
    for before, after in pairwise(deltas):
        assert before[1] == after[0]
    for delta in deltas:
        replica = replica.apply([Change.read(change) for change in delta[2]])
    return replica.plain()


class TestGet:
    def test_a_value_and_its_version(self) -> None:
        one = stage()
        epoch = one.ask("ann", ".get")[1]["epoch"]
        about = {"version": 1, "epoch": epoch, "missing": []}
        assert one.ask("ann", ".get", "/a/b") == ([[1, 2]], about)
        assert one.ask("ann", ".get") == ([{"a": {"b": [1, 2]}, "n": None}], about)

    def test_what_is_missing_is_told_from_null(self) -> None:
        one = stage()
        args, about = one.ask("ann", ".get", ["/n", "/x", "/a/b/5", "/a/b/0"])
        assert args == [[None, None, None, 1]]
        assert about["missing"] == ["/x", "/a/b/5"]

    def test_an_older_version(self) -> None:
        one = stage()
        one.put("ann", "/a", 2)
        assert one.ask("ann", ".get", "/a", at=1)[0] == [{"b": [1, 2]}]
        assert one.ask("ann", ".get", "/a", at=0)[1]["missing"] == ["/a"]
        assert one.ask("ann", ".get", "/a", at=2.0)[0] == [2]

    def test_a_version_that_is_forgotten_or_to_come(self) -> None:
        one = stage(window={"versions": 2})
        for value in range(5):
            one.put("ann", "/a", value)
        uri, text, details = one.ask("ann", ".get", "/a", at=1)
        assert (uri, details["version"]) == ("dstm.error.stale", 6)
        assert str(details["horizon"]) in text
        assert one.ask("ann", ".get", at=7)[0] == "dstm.error.invalid"

    def test_another_epoch(self) -> None:
        one = stage()
        epoch = one.ask("ann", ".get")[1]["epoch"]
        assert one.ask("ann", ".get", epoch=epoch)[1]["version"] == 1
        uri, _, details = one.ask("ann", ".get", epoch="0" * 32)
        assert (uri, details) == ("dstm.error.epoch", {"epoch": epoch})

    def test_it_waits_for_a_version(self) -> None:
        one = stage()
        assert one.ask("ann", ".get", "/a", min_version=1)[1]["version"] == 1
        request = one.call("ann", ".get", "/a", min_version=3)
        assert one.answer("ann", request) is None
        one.put("bob", "/a", 2)
        assert not [wire for who, wire in one.events if who == "ann"]
        one.put("bob", "/a", 3)
        ((_, wire),) = [event for event in one.events if event[0] == "ann"]
        assert (wire[1], wire[3], wire[4]["version"]) == (request, [3], 3)

    def test_a_value_that_fits_no_message_comes_in_pages(self) -> None:
        one = stage(**SMALL_PAGES)
        one.put("ann", "/big", BIG)
        parts, pages, kwargs = [], 0, {}
        answer = one.ask("ann", ".get", ["/a", "/big", "/none"])[1]
        assert answer["missing"] == ["/none"]
        while True:
            parts += answer["part"]
            pages += 1
            assert (answer["version"], len(answer["part"]) > 0) == (2, True)
            if "next" not in answer:
                break
            one.put("bob", "/big/key0", pages)  # what is read is one version, whatever happens
            kwargs = {"page": answer["next"]}
            answer = one.ask("ann", ".get", **kwargs)[1]
        assert pages > 20
        assert parts[0] == ["/a", {"b": [1, 2]}]
        assert parts[1] == ["/big", {}]
        assert {pointer.rpartition("/")[2]: value for pointer, value in parts[2:]} == BIG


class TestPages:
    def test_a_page_is_given_once_to_its_session_and_in_time(self) -> None:
        one = stage(**SMALL_PAGES)
        one.put("ann", "/big", BIG)

        def first() -> str:
            token: str = one.ask("ann", ".sync")[1]["next"]
            return token

        def ask(token: str, who: str = "ann") -> Any:
            answer = one.ask(who, ".sync", page=token)
            return answer[0] if len(answer) == 3 else None

        token = first()
        assert ask(token, "bob") == "dstm.error.stale"
        assert ask(token) is None
        assert ask(token) == "dstm.error.stale"
        tokens = [first(), first(), first()]
        assert ask(tokens[0]) == "dstm.error.stale"
        one.advance(0.9)
        assert ask(tokens[1]) is None
        one.advance(0.2)
        assert ask(tokens[2]) == "dstm.error.stale"

    def test_what_nobody_asks_for_is_forgotten(self) -> None:
        one = stage(**SMALL_PAGES)
        one.put("ann", "/big", BIG)
        one.ask("ann", ".sync")
        one.advance(0.5)
        one.ask("bob", ".sync")
        one.advance(0.6)
        one.advance(1.0)
        assert not one.dstm.apis["shop"].cursors.expire(0)
        assert not one.world.clock.getDelayedCalls()

    def test_the_end_of_a_session_ends_its_pages(self) -> None:
        one = stage(**SMALL_PAGES)
        one.put("ann", "/big", BIG)
        one.ask("ann", ".sync")
        one.leave("ann")
        assert not one.dstm.apis["shop"].cursors.expire(0)


class TestSync:
    def test_without_a_version_it_is_a_snapshot(self) -> None:
        one = stage()
        _, synced = one.ask("bob", ".sync")
        epoch = synced["epoch"]
        changes = [Change("replace", "", {"a": {"b": [1, 2]}, "n": None})]
        chained = chain(first_hash(epoch), 1, changes).hex()
        assert synced == {"epoch": epoch, "version": 1, "hash": chained, "snapshot": changes[0].value}

    def test_the_deltas_since_a_version_where_they_are_smaller(self) -> None:
        one = stage()
        one.put("ann", "/text", "x" * 2000)
        _, synced = one.ask("bob", ".sync")
        one.put("ann", "/a", 3)
        one.ask(
            "ann", ".commit", ops=[{"op": "remove", "path": "/n"}, {"op": "inc", "path": "/a", "value": 2}]
        )
        _, more = one.ask("bob", ".sync", 2, synced["epoch"], synced["hash"])
        assert [delta[:2] for delta in more["deltas"]] == [[2, 3], [3, 4]]
        assert more["deltas"][-1][3]["hash"] == more["hash"]
        assert applied(synced["snapshot"], more["deltas"]) == one.ask("ann", ".get")[0][0]
        assert one.ask("bob", ".sync", 4)[1]["deltas"] == []
        assert one.ask("bob", ".sync", 4.0)[1]["deltas"] == []

    def test_a_snapshot_where_that_is_smaller(self) -> None:
        one = stage()
        for _ in range(5):
            one.put("ann", "", {"x": "y" * 1000})
        one.put("ann", "", {})
        assert one.ask("bob", ".sync", 1)[1]["snapshot"] == {}

    @pytest.mark.parametrize(
        "known",
        [
            (1, "0" * 32),
            (1, None, "0" * 32),
            (9,),
            (0, None, "1" * 32),
        ],
    )
    def test_whoever_is_not_on_this_history_begins_anew(self, known: Any) -> None:
        one = stage()
        one.put("ann", "/text", "x" * 2000)
        assert "snapshot" in one.ask("bob", ".sync", *known)[1]

    def test_a_version_that_is_forgotten(self) -> None:
        one = stage(window={"versions": 2})
        one.put("ann", "/text", "x" * 2000)
        for value in range(5):
            one.put("ann", "/a", value)
        assert "snapshot" in one.ask("bob", ".sync", 1)[1]
        assert "deltas" in one.ask("bob", ".sync", 6)[1]

    def test_the_hash_of_a_version_at_the_horizon(self) -> None:
        one = stage(window={"versions": 2})
        one.put("ann", "/text", "x" * 2000)
        _, synced = one.ask("bob", ".sync")
        one.put("ann", "/a", 1)
        one.put("ann", "/a", 2)
        assert "deltas" in one.ask("bob", ".sync", 2, synced["epoch"], synced["hash"])[1]
        assert "snapshot" in one.ask("bob", ".sync", 2, synced["epoch"], "0" * 32)[1]

    def test_a_large_snapshot_comes_in_pages(self) -> None:
        one = stage(**SMALL_PAGES)
        one.put("ann", "/big", BIG)
        answer = one.ask("bob", ".sync")[1]
        version, chained, parts = answer["version"], answer["hash"], answer["part"]
        while "next" in answer:
            answer = one.ask("bob", ".sync", page=answer["next"])[1]
            assert (answer["version"], answer["hash"]) == (version, chained)
            parts += answer["part"]
        assert parts[0] == ["", {}]
        assert len(parts) > 300


class TestDigest:
    def test_a_digest_of_an_earlier_version_is_told_now_and_then(self) -> None:
        one = stage(digest_every=2)
        one.follow("bob")
        documents = {}
        for value in range(6):
            version = one.put("ann", "/n", value)
            documents[version] = Document.of(one.ask("ann", ".get")[0][0])
            one.advance(1)
        told = [delta[3]["digest"] for delta in one.deltas("bob") if "digest" in delta[3]]
        assert [about["version"] for about in told] == [2, 4, 6]
        assert all(about["sha256"] == digest(documents[about["version"]]) for about in told)

    def test_none_is_made_where_that_is_turned_off(self) -> None:
        one = stage(digest_every=0)
        one.follow("bob")
        one.put("ann", "/n", 1)
        one.put("ann", "/n", 2)
        assert not [delta for delta in one.deltas("bob") if "digest" in delta[3]]


class TestViews:
    def test_a_view_is_told_its_paths_and_the_way_to_them(self) -> None:
        one = stage()
        _, opened = one.ask("bob", ".view", paths=["/a/b", "/a/b/0", "/x"])
        _, again = one.ask("ann", ".view", paths=["/x", "/a/b"])
        assert opened == again
        assert opened["topic"].startswith("dstm.shop.view.")
        one.follow("bob", opened["topic"])
        _, synced = one.ask("bob", ".sync", paths=["/a/b", "/x"])
        assert synced["snapshot"] == {"a": {"b": [1, 2]}}
        for pointer, value in (("/other", 1), ("/x", {"y": 1}), ("/a/c", 1), ("/a/b/1", 5)):
            one.put("ann", pointer, value)
        deltas = one.deltas("bob")
        assert [delta[:2] for delta in deltas] == [[1, 3], [3, 5]]
        assert applied(synced["snapshot"], deltas) == {"a": {"b": [1, 5]}, "x": {"y": 1}}
        chained = bytes.fromhex(synced["hash"])
        for _, version, changes, meta in deltas:
            chained = chain(chained, version, [Change.read(change) for change in changes])
            assert meta["hash"] == chained.hex()

    def test_a_view_goes_on_where_a_replica_was(self) -> None:
        one = stage()
        one.put("ann", "/text", "x" * 2000)
        _, opened = one.ask("bob", ".view", paths=["/a", "/n"])
        _, synced = one.ask("bob", ".sync", paths=["/a", "/n"])
        one.put("ann", "/a", 1)
        one.put("ann", "/text", "y" * 2000)
        one.put("ann", "/a", 2)
        _, more = one.ask("bob", ".sync", 2, synced["epoch"], synced["hash"], paths=["/a", "/n"])
        assert [delta[:2] for delta in more["deltas"]] == [[2, 3], [3, 5]]
        assert (
            one.ask("bob", ".sync", 5, synced["epoch"], more["hash"], paths=["/a", "/n"])[1]["deltas"] == []
        )
        assert "snapshot" in one.ask("bob", ".sync", 3, None, "0" * 32, paths=["/a", "/n"])[1]
        assert "snapshot" in one.ask("bob", ".sync", 4, paths=["/a", "/n"])[1]
        assert opened["topic"]

    def test_who_syncs_moves_all_to_the_newest_version(self) -> None:
        """Versions that show nothing are passed over; a replica that begins there fits to the others."""
        one = stage()
        topic = one.ask("bob", ".view", paths=["/a"])[1]["topic"]
        one.follow("bob", topic)
        one.ask("bob", ".sync", paths=["/a"])
        one.put("ann", "/other", 1)
        assert one.deltas("bob") == []
        _, synced = one.ask("ann", ".sync", paths=["/a"])
        assert synced["version"] == 2
        one.put("ann", "/a", 7)
        deltas = one.deltas("bob")
        assert [delta[:3] for delta in deltas] == [
            [1, 2, []],
            [2, 3, [{"op": "replace", "path": "/a", "value": 7}]],
        ]

    def test_views_are_bounded_and_make_room_when_nobody_uses_them(self) -> None:
        one = stage(limits={"views": 2, "view_paths": 3})
        topic = one.ask("bob", ".view", paths=["/a"])[1]["topic"]
        one.follow("bob", topic)
        one.ask("bob", ".view", paths=["/b"])
        assert one.ask("bob", ".view", paths=["/c"])[0] == "dstm.error.throttled"
        one.advance(61)
        assert one.ask("bob", ".view", paths=["/c"])[1]["topic"]
        assert {view.topic for view in one.dstm.apis["shop"].views} >= {topic}
        assert len(one.dstm.apis["shop"].views) == 2

    def test_a_view_that_was_forgotten_meanwhile_has_the_same_topic_and_begins_anew(self) -> None:
        one = stage(limits={"views": 1})
        topic = one.ask("bob", ".view", paths=["/a"])[1]["topic"]
        one.advance(61)
        one.ask("bob", ".view", paths=["/b"])
        one.advance(61)
        assert one.ask("bob", ".view", paths=["/a"])[1]["topic"] == topic


class TestPatterns:
    def test_deltas_and_views_reach_pattern_subscriptions(self) -> None:
        one = stage()
        one.follow("bob", "dstm.", "prefix")
        one.follow("ann", "dstm..delta", "wildcard")
        one.ask("bob", ".view", paths=["/a"])
        one.put("ann", "/a", 1)
        assert [wire[3] for who, wire in one.events if who == "ann" and wire[0] == 36] == [
            {"topic": "dstm.shop.delta"}
        ]
        topics = [wire[3]["topic"] for who, wire in one.events if who == "bob" and wire[0] == 36]
        assert topics[0] == "dstm.shop.delta"
        assert topics[1].startswith("dstm.shop.view.")


class TestSizes:
    def test_one_flush_is_one_event(self) -> None:
        one = stage()
        one.follow("bob")
        for value in range(3):
            one.call("ann", ".put", "/n", value)
        one.settle()
        told = [wire for who, wire in one.sent() if who == "bob"]
        assert [len(wire[4]) for wire in told] == [3]

    def test_many_large_deltas_are_several_events(self) -> None:
        one = stage()
        one.follow("bob")
        for value in range(6):
            one.call("ann", ".put", "/text", f"{value}" * 100_000)
        one.settle()
        told = [wire for who, wire in one.sent() if who == "bob"]
        assert [len(wire[4]) for wire in told] == [2, 2, 2]

    def test_a_delta_too_large_for_an_event_is_a_gap(self) -> None:
        one = stage()
        one.follow("bob")
        one.put("ann", "/text", "x" * 600_000)
        one.ask("ann", ".put", "/more", "x" * 600_000)
        copies = [{"op": "copy", "from": "/text", "path": f"/copy{n}"} for n in range(1)]
        big = [{"op": "add", "path": "/big", "value": "y" * 600_000}, *copies]
        one.deltas("bob")
        version = one.ask("ann", ".commit", ops=big)[1]["version"]
        ((first, last, changes, _),) = one.deltas("bob")
        assert (first, last, changes) == (version, version, [])
        assert "part" in one.ask("bob", ".sync", version - 1)[1]
