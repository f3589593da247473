"""Calls that wait: woken, timed out, canceled, left behind, bounded."""

from typing import Any

from dstm_stage import Stage


def stage(**settings: Any) -> Stage:
    one = Stage(**settings).enter("ann", "bob")
    one.put("ann", "", {"a": 1, "b": 2})
    return one


def told(one: Stage, name: str) -> list[Any]:
    """Give what a session was told since it was asked last, in its last two elements."""
    one.settle()
    one.events.extend(one.sent())
    found = [wire[-2:] for who, wire in one.events if who == name]
    one.events.clear()
    return found


class TestWait:
    def test_it_is_answered_when_a_read_changes(self) -> None:
        one = stage()
        epoch = one.ask("ann", ".get")[1]["epoch"]
        request = one.call("ann", ".wait", epoch=epoch, base=1, reads=["/a", ["exists", "/c"]])
        assert one.answer("ann", request) is None
        one.put("bob", "/b", 3)
        assert told(one, "ann") == []
        version = one.put("bob", "/c", 3)
        assert told(one, "ann") == [[[], {"version": version, "epoch": epoch}]]

    def test_it_is_answered_at_once_where_that_has_happened(self) -> None:
        one = stage()
        one.put("bob", "/a", 2)
        assert one.ask("ann", ".wait", base=1, reads=["/a"])[1]["version"] == 2

    def test_its_time_ends(self) -> None:
        one = stage(limits={"wait_ms": 5000})
        one.call("ann", ".wait", base=1, reads=["/a"], timeout_ms=1000)
        one.call("ann", ".wait", base=1, reads=["/a"])
        one.advance(1.1)
        assert [answer[0][0][:7] for answer in told(one, "ann")] == ["nothing"]
        one.advance(4)
        ((text, details),) = told(one, "ann")
        assert details == {"timeout_ms": 5000}
        assert "5000" in text[0]

    def test_it_is_canceled(self) -> None:
        one = stage()
        request = one.call("ann", ".wait", base=1, reads=["/a"])
        answers = one("ann", [49, request, {}])
        assert answers[0][1][:5] == [8, 48, request, {}, "wamp.error.canceled"]
        assert one.ask("bob", ".status")[1]["waits"] == 0
        one.put("bob", "/a", 2)
        assert told(one, "ann") == []

    def test_it_ends_with_its_session(self) -> None:
        one = stage()
        one.call("ann", ".wait", base=1, reads=["/a"])
        one.leave("ann")
        assert one.ask("bob", ".status")[1]["waits"] == 0

    def test_a_session_has_so_many(self) -> None:
        one = stage(limits={"waits_per_session": 2})
        for _ in range(2):
            one.call("ann", ".wait", base=1, reads=["/a"])
        assert one.ask("ann", ".wait", base=1, reads=["/a"])[0] == "dstm.error.throttled"
        assert one.call("bob", ".wait", base=1, reads=["/a"])


class TestMinVersion:
    def test_its_time_ends(self) -> None:
        one = stage()
        one.call("ann", ".get", "/a", min_version=9, timeout_ms=500)
        one.advance(0.6)
        assert told(one, "ann")[0][1] == {"timeout_ms": 500}
        assert len(one.dstm.apis["shop"].waits) == 0

    def test_it_is_canceled_and_ends_with_its_session(self) -> None:
        one = stage()
        request = one.call("ann", ".get", "/a", min_version=9)
        one.call("ann", ".get", "/a", min_version=9)
        waits = one.dstm.apis["shop"].waits
        assert len(waits) == 2
        one("ann", [49, request, {}])
        assert len(waits) == 1
        one.leave("ann")
        assert len(waits) == 0
        assert one.world.clock.getDelayedCalls() == []

    def test_a_session_has_so_many(self) -> None:
        one = stage(limits={"waits_per_session": 2})
        for _ in range(2):
            one.call("ann", ".get", "/a", min_version=9)
        assert one.ask("ann", ".get", "/a", min_version=9)[0] == "dstm.error.throttled"

    def test_one_that_was_canceled_is_not_answered(self) -> None:
        one = stage()
        request = one.call("ann", ".get", "/a", min_version=2)
        one.call("ann", ".get", "/a", min_version=2)
        one("ann", [49, request, {}])
        one.put("bob", "/a", 2)
        assert [answer[0] for answer in told(one, "ann")] == [[2]]

    def test_those_that_ended_take_no_room(self) -> None:
        one = stage()
        for _ in range(300):
            one("ann", [49, one.call("ann", ".get", "/a", min_version=99), {}])
        waits = one.dstm.apis["shop"].waits
        assert len(waits._due) <= 101

    def test_what_became_too_old_meanwhile(self) -> None:
        one = stage(window={"versions": 1})
        one.call("ann", ".get", "/a", min_version=4, at=1)
        for number in range(4):
            one.put("bob", "/a", number)
        assert "no longer remembered" in told(one, "ann")[0][0][0]
