"""A realm with histories: what waits for the disk, what is bounded, what a new configuration changes."""

from pathlib import Path
from typing import Any

import pytest
from extension_play import ExtensionPlay
from realm_play import config, may, roles

from realms.config import Limits
from realms.extension import ExtensionError
from realms.history.config import HistoryConfig

GET = "wamp.subscription.get_events"
LOG = HistoryConfig(uri="com.log", store="sqlite")


def history(uri: str, match: Any = "exact", **more: Any) -> HistoryConfig:
    return HistoryConfig(uri=uri, match=match, **more)


class Stage(ExtensionPlay):
    """A realm with histories; ``work`` lets the disk catch up."""

    def __init__(self, *histories: HistoryConfig, data: Path | None = None, **settings: Any) -> None:
        super().__init__({}, {}, data, event_history=histories, **settings)
        self.join("ann")
        self._request = 0

    def work(self) -> list[Any]:
        """End turns and do jobs until nothing is left; give what was sent."""
        while self.world.at_the_end_of_turn or self.world.jobs:
            self.world.end_turn()
            self.world.work()
        return self.sent()

    def ask(self, kind: int, *rest: Any, by: str = "ann") -> list[Any]:
        self._request += 1
        return self(by, [kind, self._request, *rest])

    def publish(self, topic: str, value: Any, **options: Any) -> list[Any]:
        return self.ask(16, {"acknowledge": True, **options}, topic, [value])

    def events(self, topic: str, match: str = "exact", **asked: Any) -> tuple[list[Any], dict[str, Any]]:
        """Ask for the history of a subscription: the first argument of each event, and the keywords."""
        subscription = self.realm.broker.lookup(topic, match)
        told = self.ask(48, {}, GET, [subscription], asked) + self.work()
        ((_, wire),) = [each for each in told if each[1][0] in (8, 50)]
        assert wire[0] == 50, wire
        return [event["args"][0] for event in wire[3][0]], wire[4]

    def change(self, *histories: HistoryConfig, **settings: Any) -> None:
        self.realm.reconfigure(config(event_history=histories, **settings))


def names(told: list[Any]) -> list[int]:
    return [wire[0] for _, wire in told]


class TestDurable:
    """decision 0007: PUBLISHED means on the disk."""

    def test_published_waits_for_the_disk_and_the_event_does_not(self, tmp_path: Path) -> None:
        stage = Stage(LOG, data=tmp_path)
        stage.join("bob")
        stage.ask(32, {}, "com.log", by="bob")
        assert [name for name, _ in stage.publish("com.log", 1)] == ["bob"]
        assert stage.publish("com.log", 2, exclude_me=True)[-1][0] == "bob"
        stage.world.end_turn()
        assert stage.sent() == []
        stage.publish("com.log", 3)
        stage.world.work()
        assert names(stage.sent()) == [17, 17]
        assert names(stage.work()) == [17]
        assert stage.events("com.log")[0] == [1, 2, 3]

    def test_a_publication_that_is_not_acknowledged_waits_for_nobody(self, tmp_path: Path) -> None:
        stage = Stage(LOG, data=tmp_path)
        assert stage.ask(16, {}, "com.log", [1]) == []
        assert stage.events("com.log")[0] == [1]

    def test_many_publications_are_one_commit(self, tmp_path: Path) -> None:
        stage = Stage(LOG, data=tmp_path)
        for number in range(50):
            stage.publish("com.log", number)
        stage.world.end_turn()
        assert len(stage.world.jobs) == 1
        assert names(stage.work()) == [17] * 50

    def test_reading_writes_nothing(self, tmp_path: Path) -> None:
        """Where nothing waits, a page is not worth a sync of the disk."""
        stage = Stage(LOG, data=tmp_path)
        stage.publish("com.log", 1)
        stage.work()
        stage.ask(48, {}, GET, [stage.realm.broker.lookup("com.log")])
        stage.world.end_turn()
        stage.world.work()  # the only round: a commit would be one before it
        assert names(stage.sent()) == [50]

    def test_other_topics_are_acknowledged_at_once(self, tmp_path: Path) -> None:
        stage = Stage(LOG, history("com.memory"), data=tmp_path)
        assert names(stage.publish("com.other", 1)) == [17]
        assert names(stage.publish("com.memory", 1)) == [17]
        assert names(stage.publish("com.log", 1, exclude=[5])) == [17]

    def test_a_publisher_that_has_left_is_told_nothing(self, tmp_path: Path) -> None:
        stage = Stage(LOG, data=tmp_path)
        stage.publish("com.log", 1)
        stage.leave("ann")
        assert stage.work() == []

    def test_it_is_there_after_a_restart(self, tmp_path: Path) -> None:
        stage = Stage(LOG, data=tmp_path)
        stage.publish("com.log", 1)
        stage.work()
        cursor = stage.events("com.log")[1]["cursor"]
        stage.publish("com.log", 2)
        stage.realm.end()
        stage.work()
        again = Stage(LOG, data=tmp_path)
        again.publish("com.log", 3)
        again.work()
        events, keywords = again.events("com.log")
        assert (events, keywords["gap"], keywords["more"]) == ([1, 2, 3], False, False)
        assert again.events("com.log", cursor=cursor)[0] == [2, 3]

    def test_the_end_waits_for_the_disk(self, tmp_path: Path) -> None:
        stage = Stage(LOG, data=tmp_path)
        stage.realm.end()
        ((what, closed),) = stage.world.closed
        assert what == "event history of realm 'realm1'"
        assert not closed.called
        stage.work()
        assert closed.called

    def test_a_disk_that_fails(self, tmp_path: Path) -> None:
        """The publisher is told, one line is logged, and it goes on when the disk is there again."""
        stage = Stage(LOG, data=tmp_path)
        stage.publish("com.log", 1)
        stage.work()
        cursor = stage.events("com.log")[1]["cursor"]
        database: Any = stage.realm.history._database
        database.close()
        path, database.path = database.path, tmp_path / "no" / "where"
        for number in (2, 3):
            stage.publish("com.log", number)
            ((_, error),) = stage.work()
            assert error[4:] == [
                "wamp.error.unavailable",
                ["the event was sent, but the event history could not keep it"],
            ]
        database.path = path
        stage.publish("com.log", 4)
        assert names(stage.work()) == [17]
        log = stage.world.logs["history.realm1"]
        assert [line.partition(":")[0] for line in log.lines] == [
            "event history is not written",
            "event history is written again",
        ]
        assert stage.events("com.log", cursor=cursor)[0] == [4]
        assert stage.events("com.log", cursor=cursor)[1]["gap"] is True
        assert stage.realm.counters["history_lost"] == 2

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        stage = Stage(LOG, data=tmp_path)
        database: Any = stage.realm.history._database
        database.close()
        database.path = tmp_path / "no" / "where"
        subscription = stage.realm.broker.lookup("com.log")
        stage.ask(48, {}, GET, [subscription])
        ((_, error),) = stage.work()
        assert error[4:] == ["wamp.error.unavailable", ["the event history cannot be read now"]]

    def test_no_place_for_it(self, tmp_path: Path) -> None:
        with pytest.raises(ExtensionError, match="event_history: store: sqlite needs a directory for data"):
            Stage(LOG)
        (tmp_path / "realm1" / "event_history").mkdir(parents=True)
        (tmp_path / "realm1" / "event_history" / "events.sqlite").write_bytes(b"x" * 5000)
        with pytest.raises(ExtensionError, match=r"realm 'realm1': event_history: .* file is not a database"):
            Stage(LOG, data=tmp_path)


class TestBounds:
    def test_what_waits_for_the_disk_is_bounded(self, tmp_path: Path) -> None:
        """Acknowledged: refused, and no event. Else: sent, not kept, and known to be missing."""
        stage = Stage(LOG, data=tmp_path, limits=Limits(history_queue_bytes=1024))
        stage.join("bob")
        stage.ask(32, {}, "com.log", by="bob")
        cursor = stage.events("com.log")[1]["cursor"]
        for number in range(4):
            stage.publish("com.log", number)
        ((name, event),) = stage.ask(16, {}, "com.log", ["lost"])
        assert (name, event[0], event[4]) == ("bob", 36, ["lost"])
        ((name, error),) = stage.publish("com.log", "refused")
        assert (name, error[0], error[4]) == ("ann", 8, "concord.error.limit_exceeded")
        assert "history_queue_bytes" in error[5][0]
        stage.work()
        events, keywords = stage.events("com.log", cursor=cursor)
        assert (events, keywords["gap"]) == ([0, 1, 2, 3], True)

    def test_where_the_room_ends_only_with_the_lists_of_a_publication(self, tmp_path: Path) -> None:
        """They are not looked at beforehand: the event is sent, and the publisher learns that it is lost."""
        stage = Stage(LOG, data=tmp_path, limits=Limits(history_queue_bytes=1024))
        ((_, error),) = stage.publish("com.log", 1, exclude_authid=["x" * 900])
        assert error[:3] == [8, 16, 1]
        assert error[4] == "wamp.error.unavailable"
        assert stage.realm.counters["history_lost"] == 1

    def test_pages_that_wait_are_bounded(self) -> None:
        stage = Stage(history("com.a"), limits=Limits(history_reads=1))
        subscription = stage.realm.broker.lookup("com.a")
        for _ in range(2):
            assert stage.ask(48, {}, GET, [subscription]) == []
        ((_, error),) = stage.ask(48, {}, GET, [subscription])
        assert error[4:] == ["concord.error.limit_exceeded", ["limit history_reads=1 is reached"]]
        assert names(stage.work()) == [50, 50]

    def test_pages_that_wait_for_the_disk_are_bounded(self, tmp_path: Path) -> None:
        """A caller that takes its calls back has as many as it likes in a row, and the disk may be slow."""
        stage = Stage(LOG, data=tmp_path, limits=Limits(history_reads=2))
        subscription = stage.realm.broker.lookup("com.log")
        stage.publish("com.log", 1)
        for _ in range(2):
            assert stage.ask(48, {}, GET, [subscription]) == []
            stage("ann", [49, stage._request, {}])
        ((_, error),) = stage.ask(48, {}, GET, [subscription])
        assert error[4:] == ["concord.error.limit_exceeded", ["limit history_reads=2 is reached"]]
        assert names(stage.work()) == [17]
        assert stage.events("com.log")[0] == [1]

    def test_one_page_at_a_time(self) -> None:
        stage = Stage(history("com.a"))
        subscription = stage.realm.broker.lookup("com.a")
        for _ in range(3):
            stage.ask(48, {}, GET, [subscription])
        assert len(stage.world.jobs) == 1
        assert names(stage.work()) == [50] * 3

    def test_a_thousand_pages_that_are_refused(self) -> None:
        """One after the other: none stands on the stack of another."""
        stage = Stage(history("com.a"))
        subscription = stage.realm.broker.lookup("com.a")
        stage.ask(48, {}, GET, [subscription])
        for _ in range(1000):
            stage.ask(48, {}, GET, [subscription], {"from_publication": 7})
        assert names(stage.work()) == [50] + [8] * 1000

    def test_a_caller_that_has_left_costs_nothing(self) -> None:
        stage = Stage(history("com.a"))
        subscription = stage.realm.broker.lookup("com.a")
        stage.join("bob")
        stage.ask(48, {}, GET, [subscription])
        stage.ask(48, {}, GET, [subscription], by="bob")
        stage.leave("bob")
        assert names(stage.work()) == [50]
        assert stage.world.jobs == []

    def test_what_is_too_old_goes_without_a_new_event(self, tmp_path: Path) -> None:
        durable = history("com.log", store="sqlite", age_ms=5000)
        stage = Stage(durable, history("com.a", age_ms=90_000), data=tmp_path)
        stage.publish("com.log", 1)
        stage.publish("com.a", 1)
        stage.work()
        stage.world.clock.advance(4)
        assert stage.events("com.log")[0] == [1]
        for _ in range(3):
            stage.world.clock.advance(5)
            stage.work()
        assert stage.events("com.log")[0] == []
        assert stage.events("com.a")[0] == [1]
        stage.change(history("com.a", age_ms=1))
        (timer,) = stage.world.clock.getDelayedCalls()
        assert timer.getTime() - stage.world.clock.seconds() == 1
        stage.realm.end()
        stage.work()
        assert stage.world.clock.getDelayedCalls() == []


class TestWhichHistory:
    def test_an_event_is_kept_in_each_that_matches_and_the_most_specific_answers(self) -> None:
        stage = Stage(
            history("", "prefix", events=2),
            history("com.", "prefix"),
            history("com.a"),
            history("com..x", "wildcard"),
        )
        for number, topic in enumerate(["com.a", "com.a", "com.a", "com.b.x", "org.a"]):
            stage.publish(topic, number)
        assert stage.events("", "prefix")[0] == [3, 4]
        assert stage.events("com.", "prefix")[0] == [0, 1, 2, 3]
        assert stage.events("com.a")[0] == [0, 1, 2]
        assert stage.events("com..x", "wildcard")[0] == [3]
        stage.ask(32, {"match": "prefix"}, "com.b")
        assert stage.events("com.b", "prefix")[0] == [3]
        stage.ask(32, {"match": "wildcard"}, "com.b.")
        assert stage.events("com.b.", "wildcard")[0] == [3]

    def test_the_routers_own_events_can_be_kept(self) -> None:
        stage = Stage(history("wamp.session.on_leave"))
        stage.join("bob")
        stage.leave("bob")
        assert stage.events("wamp.session.on_leave")[0] == [2]


class TestCall:
    """The arguments of get_events, of which the conformance tests show the rest."""

    @pytest.mark.parametrize(
        ("args", "asked", "error", "text"),
        [
            ([1, 2], {}, "invalid_argument", "2 positional arguments, not at most 1"),
            ([], {}, "invalid_argument", "subscription must be an id"),
            ([True], {}, "invalid_argument", "subscription must be an id"),
            ([1.5], {}, "invalid_argument", "subscription must be an id"),
            (
                [1],
                {"first": 1},
                "invalid_argument",
                "unknown keyword argument 'first'; allowed: reverse, limit",
            ),
            ([99], {}, "no_such_subscription", "no subscription 99 in this realm"),
            ([2], {}, "history_unavailable", "no event history is kept of exact 'com.b'"),
            ([3], {}, "history_unavailable", "no event history is kept of prefix 'com.'"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, args: list[Any], asked: dict[str, Any], error: str, text: str
    ) -> None:
        stage = Stage(history("com.a"))
        stage.ask(32, {}, "com.b")
        stage.ask(32, {"match": "prefix"}, "com.")
        ((_, wire),) = stage.ask(48, {}, GET, args, asked)
        assert wire[4] == f"wamp.error.{error}"
        assert wire[5][0].startswith(text)

    def test_an_id_may_be_an_integral_float(self) -> None:
        stage = Stage(history("com.a"))
        stage.ask(48, {}, GET, [1.0], {"first": None})
        assert names(stage.work()) == [50]

    def test_a_publication_that_is_not_there(self, tmp_path: Path) -> None:
        stage = Stage(LOG, history("com.a"), data=tmp_path)
        for topic in ("com.a", "com.log"):
            subscription = stage.realm.broker.lookup(topic)
            told = stage.ask(48, {}, GET, [subscription], {"after_publication": 7}) + stage.work()
            assert [wire[4] for _, wire in told] == ["wamp.error.no_such_publication"]

    def test_topics_that_are_remembered_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("realms.history.history.MAX_CACHED", 3)
        stage = Stage(history("com.", "prefix"))
        for number in range(9):
            stage.publish(f"com.{number}", number)
        assert stage.events("com.", "prefix")[0] == list(range(9))


class TestReconfiguration:
    def test_a_history_stays_and_takes_its_new_limits(self) -> None:
        stage = Stage(history("com.a"), history("com.b"))
        for number in range(3):
            stage.publish("com.a", number)
            stage.publish("com.b", number)
        stage.change(history("com.a", events=2), history("com.c"))
        stage.publish("com.c", 7)
        assert stage.events("com.a")[0] == [1, 2]
        assert stage.events("com.c")[0] == [7]
        assert stage.realm.broker.lookup("com.b") is None

    def test_without_a_history_publishing_is_as_short_as_ever(self) -> None:
        from router.wamp.messages import Publish

        stage = Stage(history("com.a"))
        assert stage.realm.routes[Publish] == stage.realm.requests._publish_with_care
        stage.change()
        assert stage.realm.routes[Publish] == stage.realm.requests._publish
        assert stage.realm.broker.on_publication is None

    def test_a_history_in_memory_that_was_gone_begins_anew(self) -> None:
        stage = Stage(history("com.a"))
        stage.publish("com.a", 1)
        _, before = stage.events("com.a")
        stage.change()
        stage.change(history("com.a"))
        stage.publish("com.a", 2)
        events, keywords = stage.events("com.a", cursor=before["cursor"])
        assert (events, keywords["gap"]) == ([2], True)

    def test_a_durable_one_keeps_its_events(self, tmp_path: Path) -> None:
        """Also where it is gone and back before the disk has all."""
        stage = Stage(LOG, data=tmp_path)
        stage.publish("com.log", 1)
        stage.change()
        stage.change(LOG)
        stage.publish("com.log", 2)
        assert names(stage.work()) == [17, 17]
        assert stage.events("com.log")[0] == [1, 2]

    def test_what_cannot_be_opened_changes_nothing(self) -> None:
        stage = Stage(history("com.a"))
        with pytest.raises(ExtensionError):
            stage.change(history("com.b"), LOG)
        assert stage.events("com.a")[0] == []

    def test_who_may_no_longer_subscribe_may_no_longer_ask(self) -> None:
        stage = Stage(history("com.a"))
        subscription = stage.realm.broker.lookup("com.a")
        stage.change(history("com.a"), roles=roles(clerk=[may("wamp.")]))
        ((_, error),) = stage.ask(48, {}, GET, [subscription])
        assert error[4] == "wamp.error.not_authorized"
