"""What an extension may do in a realm, and what the realm does to it."""

from typing import Annotated, Any

import msgspec
import pytest
from extension_play import ExtensionPlay
from msgspec import Meta, Raw
from realm_play import NOW, config, may, roles

from realms.config import Limits, MetaApi
from realms.extension import Extension, ExtensionError, NoSettings, Payload, ProcedureCall, PublishRefused
from realms.host import MAX_REMEMBERED
from router.configuration import Section
from router.wamp.errors import ProtocolViolation
from router.wamp.messages import Call, Error, Result
from router.wamp.serializers import CBOR, JSON, MSGPACK, SERIALIZERS

CANCELED = "wamp.error.canceled"
INTERNAL = "concord.error.internal_error"
LIMIT = "concord.error.limit_exceeded"


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    tx: str
    base: int = 0
    value: Any = None


class Probe(Extension):
    """An extension that keeps what it is asked for, and does what a test says."""

    name = "probe"

    class Config(Section, frozen=True, kw_only=True):
        """What the probe is told."""

        size: Annotated[int, Meta(description="A number.", ge=0, le=100)] = 0
        fails: Annotated[str, Meta(description="Where to fail.")] = ""

    def __init__(self, host: Any, config: Any) -> None:
        super().__init__(host, config)
        self.calls: list[ProcedureCall] = []
        self.events: list[Any] = []
        self.procedures |= {
            "probe.keep": self.calls.append,
            "probe.echo": lambda call: call.result(call.args, call.kwargs),
            "probe.fail": lambda call: 1 / 0,
        }

    def fail_at(self, place: str, config: Any) -> None:
        if config.fails == place:
            raise ExtensionError("size", f"does not {place}")
        if config.fails == f"defect at {place}":
            raise ZeroDivisionError(place)

    def open(self) -> None:
        self.fail_at("open", self.config)
        self.events.append("open")

    def joined(self, session: Any) -> None:
        self.events.append(("joined", session.id))
        self.host.publish("probe.joined", [session.authid])

    def left(self, session: Any) -> None:
        assert session.id not in self.host.sessions
        self.events.append(("left", session.id))
        self.host.publish("probe.left", [session.authid])

    def reconfigure(self, config: Any) -> None:
        self.fail_at("reconfigure", config)
        super().reconfigure(config)
        self.events.append(("reconfigure", config.size))

    def close(self) -> Any:
        self.events.append("close")
        if self.config.fails == "close":
            raise ZeroDivisionError("close")
        return self.config.fails or None


class Other(Extension):
    """Does nothing."""

    name = "other"
    sends_json = True


CLASSES: dict[str, type[Extension]] = {"probe": Probe, "other": Other}


def play(*names: str, **settings: Any) -> ExtensionPlay:
    given = settings.pop("given", {"probe": Probe.Config()})
    stage = ExtensionPlay(CLASSES, given, settings.pop("data", None), **settings)
    for name in names:
        stage.join(name)
    return stage


def call(stage: ExtensionPlay, name: str = "ann", request: int = 1, **options: Any) -> ProcedureCall:
    """Let a session call ``probe.keep``, which does not answer."""
    assert stage(name, [48, request, options, "probe.keep"]) == []
    kept: ProcedureCall = stage.extension("probe").calls[-1]
    return kept


def answer(name: str, request: int, *payload: Any, **details: Any) -> Any:
    return [(name, [50, request, details, *payload])]


def error(name: str, request: int, uri: str, text: str, of: int = 48) -> Any:
    return [(name, [8, of, request, {}, uri, [text]])]


class TestCalling:
    @pytest.mark.parametrize("options", [{}, {"timeout": 5}, {"disclose_me": True}])
    def test_an_answer_at_once(self, options: Any) -> None:
        stage = play("ann")
        told = stage("ann", [48, 1, options, "probe.echo", [1], {"a": 2}])
        assert told == answer("ann", 1, [1], {"a": 2})
        assert stage.sessions["ann"].calls == {}

    def test_an_answer_later(self) -> None:
        stage = play("ann")
        waiting = call(stage)
        assert (waiting.procedure, waiting.request, waiting.session) == (
            "probe.keep",
            1,
            stage.sessions["ann"],
        )
        assert (waiting.args, waiting.kwargs, waiting.is_over) == ([], {}, False)
        assert repr(waiting) == "<ProcedureCall 1 of 'probe.keep' by <Session 1 'ann@x' as 'clerk'>>"
        waiting.result(kwargs={"a": 1})
        assert stage.sent() == answer("ann", 1, [], {"a": 1})
        assert waiting.is_over
        assert stage.sessions["ann"].calls == {}

    def test_an_error(self) -> None:
        stage = play("ann")
        call(stage).error("probe.error.no", "no", {"why": 1})
        assert stage.sent() == [("ann", [8, 48, 1, {}, "probe.error.no", ["no"], {"why": 1}])]
        call(stage, request=2).error("probe.error.no")
        assert stage.sent() == [("ann", [8, 48, 2, {}, "probe.error.no"])]

    def test_only_the_first_answer_counts(self) -> None:
        stage = play("ann")
        waiting = call(stage, receive_progress=True)
        waiting.result([1])
        stage.sent()
        waiting.result([2])
        waiting.error("probe.error.no")
        waiting.progress([3])
        assert stage.sent() == []

    def test_another_name_is_another_matter(self) -> None:
        """What begins otherwise goes to the dealer; under its own name nobody else answers."""
        stage = play("ann")
        stage("ann", [64, 1, {"match": "prefix"}, "pro"])
        for request, procedure in ((2, "probe.nothing"), (3, "probe"), (4, "other.x"), (5, "dstm.x")):
            for options in ({}, {"timeout": 5}):
                (told,) = stage("ann", [48, request * 2 + bool(options), options, procedure])
                assert told[1][4] == "wamp.error.no_such_procedure"
        (told,) = stage("ann", [48, 20, {}, "prober"])
        assert told[1][0] == 68

    def test_the_table_may_change_at_any_time(self) -> None:
        stage = play("ann")
        stage.extension("probe").procedures = {"probe.new": lambda call: call.result(["new"])}
        assert stage("ann", [48, 1, {}, "probe.new"]) == answer("ann", 1, ["new"])
        (told,) = stage("ann", [48, 2, {}, "probe.echo"])
        assert told[1][4] == "wamp.error.no_such_procedure"

    def test_a_role_that_may_not(self) -> None:
        stage = play(roles=roles(clerk=[may("com.")]))
        stage.join("ann")
        for options in ({}, {"timeout": 5}):
            request = 1 + bool(options)
            text = "role 'clerk' may not call 'probe.echo'"
            told = stage("ann", [48, request, options, "probe.echo"])
            assert told == error("ann", request, "wamp.error.not_authorized", text)

    def test_what_the_router_answers_takes_no_foreign_payload_and_no_further_input(self) -> None:
        stage = play("ann")
        (told,) = stage("ann", [48, 1, {"progress": True}, "probe.echo"])
        assert told[1][4] == "wamp.error.feature_not_supported"
        assert stage("ann", [48, 1, {}, "probe.echo"]) == []  # the rest of that input
        with pytest.raises(ProtocolViolation, match="was not announced"):
            stage("ann", [48, 2, {"ppt_scheme": "x"}, "probe.echo"])
        call(stage, request=3)
        with pytest.raises(ProtocolViolation, match="CALL 3 is pending and takes no further input"):
            stage("ann", [48, 3, {}, "probe.keep"])

    def test_request_ids_that_begin_anew_meet_a_call_that_waits(self) -> None:
        stage = play("ann")
        call(stage)
        stage("ann", [48, 2**53, {}, "probe.echo"])
        with pytest.raises(ProtocolViolation, match="CALL 1 is pending"):
            stage("ann", [48, 1, {}, "com.x"])

    @pytest.mark.parametrize("options", [{"receive_progress": 1}, {"timeout": -1}, {"timeout": "x"}])
    def test_options_are_checked(self, options: Any) -> None:
        stage = play("ann")
        (told,) = stage("ann", [48, 1, options, "probe.echo"])
        assert told[1][4] == "wamp.error.invalid_argument"

    def test_a_refused_payload(self) -> None:
        """The realm answers, as it does for any other call."""
        stage = play("ann")
        session = stage.sessions["ann"]
        refused = Error(Call.CODE, 1, {}, "wamp.error.invalid_argument", ["no"])
        outputs = stage.realm.refuse_payload(session, Call(1, {}, "probe.echo"), refused, NOW)
        assert stage.told(outputs) == error("ann", 1, "wamp.error.invalid_argument", "no")

    def test_the_meta_api_is_called_in_the_same_way(self) -> None:
        stage = play("ann")
        assert stage("ann", [48, 1, {"timeout": 5}, "wamp.session.count"]) == answer("ann", 1, [1])
        stage = play("ann", meta_api=MetaApi(enabled=False))
        (told,) = stage("ann", [48, 1, {}, "wamp.session.count"])
        assert told[1][4] == "wamp.error.no_such_procedure"


class TestLimits:
    def test_calls_that_wait_count_with_those_of_the_dealer(self) -> None:
        stage = play("ann", limits=Limits(pending_calls_per_session=2))
        stage("ann", [64, 1, {}, "com.x"])
        assert stage("ann", [48, 2, {}, "com.x"])[0][1][0] == 68
        waiting = call(stage, request=3)
        text = "limit pending_calls_per_session=2 is reached"
        for request, options in ((4, {}), (5, {"timeout": 5})):
            told = stage("ann", [48, request, options, "probe.echo"])
            assert told == error("ann", request, LIMIT, text)
        assert stage("ann", [48, 6, {}, "com.x"]) == error("ann", 6, LIMIT, text)
        waiting.result()
        assert stage("ann", [48, 7, {}, "probe.echo"]) == answer("ann", 7, [], {})

    def test_a_new_limit_holds_after_a_reload(self) -> None:
        stage = play("ann")
        limits = Limits(pending_calls_per_session=1)
        stage.realm.reconfigure(config(extensions={"probe": Probe.Config()}, limits=limits))
        call(stage)
        (told,) = stage("ann", [48, 2, {}, "probe.echo"])
        assert told[1][4] == LIMIT


class TestEnding:
    @pytest.mark.parametrize("mode", [{}, {"mode": "kill"}, {"mode": "killnowait"}, {"mode": "skip"}])
    def test_a_call_is_canceled_in_every_mode(self, mode: Any) -> None:
        """WAMP AP 'Call Canceling': the caller has its answer, and the procedure is told."""
        stage = play("ann")
        waiting = call(stage)
        told: list[bool] = []
        waiting.on_cancel = lambda: told.append(waiting.is_over)
        assert stage("ann", [49, 1, mode]) == error("ann", 1, CANCELED, "canceled by the caller")
        assert told == [True]
        assert stage("ann", [49, 1, mode]) == []
        waiting.result([1])
        assert stage.sent() == []
        assert stage.sessions["ann"].calls == {}

    def test_no_such_mode(self) -> None:
        stage = play("ann")
        call(stage)
        (told,) = stage("ann", [49, 1, {"mode": "x"}])
        assert told[1][:5] == [8, 49, 1, {}, "wamp.error.invalid_argument"]
        assert list(stage.sessions["ann"].calls) == [1]

    def test_one_that_is_answered_is_not_told(self) -> None:
        stage = play("ann")
        waiting = call(stage)
        waiting.on_cancel = lambda: pytest.fail("it was answered")
        waiting.result()
        assert stage("ann", [49, 1, {}]) == []
        stage.leave("ann")

    def test_the_time_of_a_call_is_over(self) -> None:
        """WAMP AP 'Call Timeouts'."""
        stage = play("ann")
        waiting = call(stage, timeout=500)
        told: list[int] = []
        waiting.on_cancel = lambda: told.append(1)
        assert stage.woken == [("realm1", NOW + 0.5)]
        assert stage.realm.next_deadline() == NOW + 0.5
        assert stage.told(stage.realm.expire(NOW + 0.4)) == []
        expired = stage.told(stage.realm.expire(NOW + 0.5))
        assert expired == error("ann", 1, "wamp.error.timeout", "no answer within 500 ms")
        assert told == [1]
        assert stage.realm.next_deadline() is None

    def test_the_sooner_of_two_deadlines_counts(self) -> None:
        stage = play("ann")
        stage("ann", [64, 1, {}, "com.x"])
        stage("ann", [48, 2, {"timeout": 300}, "com.x"])
        waiting = call(stage, request=3, timeout=200)
        assert stage.realm.next_deadline() == NOW + 0.2
        waiting.result()
        assert stage.realm.next_deadline() == NOW + 0.3

    @pytest.mark.parametrize(("options", "deadline"), [({}, NOW + 2), ({"timeout": 0}, None)])
    def test_the_realms_own_timeout(self, options: Any, deadline: Any) -> None:
        stage = play("ann", limits=Limits(call_timeout_ms=2000))
        call(stage, **options)
        assert stage.realm.next_deadline() == deadline

    def test_its_caller_leaves(self) -> None:
        """Nobody is told but the procedure, which may publish because of it."""
        stage = play("ann", "bob")
        stage("bob", [32, 1, {}, "probe.gone"])
        waiting, other = call(stage, timeout=5), call(stage, "bob", 2)
        waiting.on_cancel = lambda: stage.extension("probe").host.publish("probe.gone")
        assert stage.leave("ann") == [("bob", [36, 1, stage.publications - 1, {}])]
        waiting.result()
        waiting.progress()
        assert stage.sent() == []
        assert stage.realm.next_deadline() is None
        other.result()
        assert stage.sent() == answer("bob", 2)

    def test_a_defect_in_what_is_told_of_the_end(self) -> None:
        stage = play("ann")
        call(stage).on_cancel = lambda: 1 / 0
        assert stage("ann", [49, 1, {}]) == error("ann", 1, CANCELED, "canceled by the caller")
        assert stage.log("probe").failures == ["ZeroDivisionError('division by zero')"]

    def test_an_answer_that_is_too_large(self) -> None:
        """The caller is told so, and a call that goes on ends."""
        stage = play("ann")
        session = stage.sessions["ann"]
        exceeded = "wamp.error.payload_size_exceeded"
        text = "a message of 900 bytes is more than the receiver takes: 512"
        call(stage).result(["large"])
        stage.sent()
        outputs = stage.realm.undeliverable(session, Result(1, {}, ["large"]), 900, 512)
        assert stage.told(outputs) == error("ann", 1, exceeded, text)
        waiting = call(stage, request=2, receive_progress=True)
        told: list[int] = []
        waiting.on_cancel = lambda: told.append(1)
        outputs = stage.realm.undeliverable(session, Result(2, {"progress": True}, ["large"]), 900, 512)
        assert stage.told(outputs) == error("ann", 2, exceeded, text)
        assert told == [1]
        assert session.calls == {}
        (message,) = [Error(48, 3, {}, "probe.error.no", ["large"])]
        assert stage.told(stage.realm.undeliverable(session, message, 900, 512)) == error(
            "ann", 3, exceeded, text
        )


class TestProgress:
    def test_goes_to_who_asked_for_it_and_announced_it(self) -> None:
        stage = play("ann")
        waiting = call(stage, receive_progress=True)
        assert waiting.wants_progress
        waiting.progress([1], {"a": 1})
        waiting.progress()
        waiting.result([2])
        assert stage.sent() == [
            *answer("ann", 1, [1], {"a": 1}, progress=True),
            *answer("ann", 1, progress=True),
            *answer("ann", 1, [2]),
        ]

    def test_goes_to_nobody_else(self) -> None:
        stage = play("ann")
        stage.join("old", features=frozenset())
        for waiting in (call(stage), call(stage, "old", receive_progress=True)):
            assert not waiting.wants_progress
            waiting.progress([1])
            assert stage.sent() == []

    def test_starts_the_timeout_anew(self) -> None:
        """WAMP AP 'Progressive Call Results'."""
        stage = play("ann")
        waiting = call(stage, receive_progress=True, timeout=500)
        stage.world.clock.advance(0.4)
        waiting.progress()
        assert stage.realm.next_deadline() == pytest.approx(NOW + 0.9)


class TestDefects:
    @pytest.mark.parametrize("options", [{}, {"timeout": 5}])
    def test_in_a_procedure_is_logged_once_and_told_without_its_cause(self, options: Any) -> None:
        stage = play("ann")
        told = stage("ann", [48, 1, options, "probe.fail"])
        assert told == error("ann", 1, INTERNAL, "internal error")
        assert stage.log("probe").failures == ["ZeroDivisionError('division by zero')"]
        assert "probe.fail" in stage.log("probe").lines[0]
        assert stage.sessions["ann"].calls == {}

    def test_after_the_answer_changes_nothing_for_the_caller(self) -> None:
        stage = play("ann")

        def answers_and_fails(call: ProcedureCall) -> None:
            call.result(["done"])
            raise ZeroDivisionError

        stage.extension("probe").procedures["probe.late"] = answers_and_fails
        assert stage("ann", [48, 1, {}, "probe.late"]) == answer("ann", 1, ["done"])
        assert stage.log("probe").failures == ["ZeroDivisionError()"]

    @pytest.mark.parametrize("serializer", SERIALIZERS.values())
    def test_what_no_serializer_carries_is_a_defect_of_the_procedure(self, serializer: Any) -> None:
        stage = play()
        stage.join("ann", serializer=serializer)
        stage.extension("probe").procedures["probe.odd"] = lambda call: call.result([object()])
        assert stage("ann", [48, 1, {}, "probe.odd"]) == error("ann", 1, INTERNAL, "internal error")
        assert len(stage.log("probe").failures) == 1

    def test_in_a_procedure_of_the_realm_itself_goes_up(self) -> None:
        """The connection logs it and ends the session."""
        stage = play("ann")
        procedures: Any = stage.realm._own_calls.desks["wamp"].owner.procedures
        procedures["wamp.session.count"] = lambda call: 1 / 0
        with pytest.raises(ZeroDivisionError):
            stage("ann", [48, 1, {}, "wamp.session.count"])

    def test_in_what_is_told_of_sessions(self) -> None:
        stage = play()
        stage.extension("probe").joined = lambda session: 1 / 0
        stage.extension("probe").left = lambda session: 1 / 0
        stage.join("ann")
        stage.leave("ann")
        assert stage.log("probe").failures == ["ZeroDivisionError('division by zero')"] * 2

    def test_in_what_is_called_later(self) -> None:
        stage = play()
        host = stage.extension("probe").host
        host.soon(lambda: 1 / 0)
        host.call_later(1, lambda: 1 / 0)
        host.background(lambda: 1, lambda result, error: 1 / 0)
        stage.world.end_turn()
        stage.world.clock.advance(1)
        stage.world.work()
        assert stage.log("probe").failures == ["ZeroDivisionError('division by zero')"] * 3


class TestPayload:
    @pytest.mark.parametrize("serializer", SERIALIZERS.values())
    def test_is_read_when_it_is_asked_for(self, serializer: Any) -> None:
        stage = play()
        stage.join("ann", serializer=serializer)
        args, kwargs = [1, "x", b"\0\1"], {"tx": "t", "value": [b"y"]}
        message = Call(1, {}, "probe.keep", serializer.dump(args), serializer.dump(kwargs))
        stage.realm.routes[Call](stage.sessions["ann"], message, NOW)
        (waiting,) = stage.extension("probe").calls
        assert (waiting.args, waiting.kwargs) == (args, kwargs)
        assert waiting.args is waiting.args
        assert waiting.kwargs is waiting.kwargs
        waiting.result(args, kwargs)
        assert stage.sent() == answer("ann", 1, args, kwargs)

    @pytest.mark.parametrize("serializer", SERIALIZERS.values())
    def test_is_read_into_a_shape(self, serializer: Any) -> None:
        def decoded(kwargs: Any) -> Shape | None:
            raw = None if kwargs is None else serializer.dump(kwargs)
            call = ProcedureCall(stage.sessions["ann"], "probe.x", 1, None, None, raw)  # type: ignore[arg-type]
            return call.decode(Shape)

        stage = play()
        stage.join("ann", serializer=serializer)
        assert decoded({"tx": "t", "base": 3, "value": {"a": [1.5]}}) == Shape("t", 3, {"a": [1.5]})
        assert decoded({"tx": "t", "value": b"\0"}) == Shape("t", 0, b"\0")
        assert decoded({"tx": b"bytes"}) is None
        assert decoded({"base": 3}) is None
        assert decoded({"tx": "t", "other": 1}) is None
        assert decoded(None) is None

    def test_an_extension_type_of_messagepack_fits_no_shape(self) -> None:
        """``kwargs`` gives what it stands for."""
        stage = play()
        stage.join("ann", serializer=MSGPACK)
        kwargs = Raw(msgspec.msgpack.encode({"tx": "t", "value": msgspec.msgpack.Ext(5, b"x")}))
        call = ProcedureCall(stage.sessions["ann"], "probe.x", 1, None, None, kwargs)  # type: ignore[arg-type]
        assert call.decode(Shape) is None
        assert call.kwargs == {"tx": "t", "value": b"x"}

    def test_of_a_session_in_this_process(self) -> None:
        stage = play("ann")
        stage("ann", [48, 1, {}, "probe.keep", None, {"tx": "t"}])
        (waiting,) = stage.extension("probe").calls
        assert waiting.decode(Shape) == Shape("t")

    @pytest.mark.parametrize("serializer", SERIALIZERS.values())
    def test_that_is_json_is_promised_to_be_so(self, serializer: Any) -> None:
        stage = play(given={"other": NoSettings()})
        stage.join("ann", serializer=serializer)
        other = stage.extension("other")
        other.procedures["other.x"] = lambda call: call.result([{"a": "x"}], {"b": 1})
        assert stage("ann", [48, 1, {}, "other.x"]) == answer("ann", 1, [{"a": "x"}], {"b": 1})


class TestSessions:
    def test_come_and_go(self) -> None:
        """What is published because of it comes after the meta event."""
        stage = play("watcher")
        stage("watcher", [32, 1, {}, "wamp.session.on_join"])
        stage("watcher", [32, 2, {}, "probe.joined"])
        stage("watcher", [32, 3, {}, "probe.left"])
        meta, joined = stage.join("ann")
        assert meta[1][:2] == [36, 1]
        assert joined == ("watcher", [36, 2, stage.publications, {}, ["ann@x"]])
        assert stage.extension("probe").host.sessions == stage.realm.sessions
        (left,) = stage.leave("ann")
        assert left[1][:2] == [36, 3]
        assert stage.extension("probe").events[-2:] == [("joined", 2), ("left", 2)]

    def test_are_killed_silently(self) -> None:
        """A session that leaves without meta events has left all the same."""
        stage = play("ann", "bob")
        stage("ann", [48, 1, {}, "wamp.session.kill_all"])
        assert stage.extension("probe").events[-1] == ("left", 2)

    def test_cannot_register_or_publish_under_its_name(self) -> None:
        stage = play("ann")
        reserved = "wamp.*, concord.*, dstm.*, probe.* are the router's own: clients may not"
        refused = "wamp.error.not_authorized"
        text = f"{reserved} register there"
        assert stage("ann", [64, 1, {}, "probe.mine"]) == error("ann", 1, refused, text, of=64)
        text = f"{reserved} publish there"
        told = stage("ann", [16, 2, {"acknowledge": True}, "probe.mine"])
        assert told == error("ann", 2, refused, text, of=16)


class TestHost:
    def test_knows_where_it_is(self, tmp_path: Any) -> None:
        stage = play(data=tmp_path)
        host = stage.extension("probe").host
        assert host.realm == "realm1"
        assert not (tmp_path / "realm1").exists()
        assert host.data_directory == tmp_path / "realm1" / "probe"
        assert host.data_directory.is_dir()
        assert host.now_ms() == 1_700_000_000_000
        host.log.info("{count} things", count=3)
        assert stage.log("probe").lines == ["3 things"]
        assert play().extension("probe").host.data_directory is None

    def test_a_data_directory_that_cannot_be_made(self, tmp_path: Any) -> None:
        (tmp_path / "realm1").write_text("a file")
        host = play(data=tmp_path).extension("probe").host
        with pytest.raises(ExtensionError, match="realm1/probe: Not a directory"):
            host.data_directory  # noqa: B018

    def test_calls_soon_later_and_from_a_thread(self) -> None:
        stage = play()
        host = stage.extension("probe").host
        done: list[Any] = []
        host.soon(lambda: done.append("soon"))
        timer = host.call_later(2, lambda: done.append("later"))
        canceled = host.call_later(1, lambda: done.append("canceled"))
        canceled.cancel()
        canceled.cancel()
        host.background(lambda: 42, lambda result, error: done.append((result, error)))
        host.background(lambda: 1 / 0, lambda result, error: done.append((result, type(error))))
        assert done == []
        stage.world.end_turn()
        stage.world.work()
        stage.world.clock.advance(2)
        timer.cancel()
        assert done == ["soon", (42, None), (None, ZeroDivisionError), "later"]

    def test_is_asked_what_a_session_may(self) -> None:
        stage = play(
            roles=roles(clerk=[may("com.", allow=["call", "publish"]), may("org.", allow=["register"])])
        )
        stage.join("ann")
        host, ann = stage.extension("probe").host, stage.sessions["ann"]
        actions: Any = ("call", "register", "publish", "subscribe")
        assert [host.is_allowed(ann, action, "com.x") for action in actions] == [True, False, True, False]
        assert [host.is_allowed(ann, action, "com.x") for action in actions] == [True, False, True, False]
        assert host.is_allowed(ann, "register", "org.x", "prefix")
        assert not host.is_allowed(ann, "register", "com", "prefix")
        assert host.may_publish(ann, "com.t").error is None
        assert host.may_publish(ann, "probe.t").error == "wamp.error.not_authorized"

    def test_publishes_as_a_session(self) -> None:
        """It may have left by then; it does not get its own event."""
        stage = play("ann", "bob")
        for name in ("ann", "bob"):
            stage(name, [32, 1, {}, "com.t"])
        host, ann = stage.extension("probe").host, stage.sessions["ann"]
        host.publish_as(ann, "com.t", [1], {"a": 2}, {"disclose_me": True})
        who = {"publisher": 1, "publisher_authid": "ann@x", "publisher_authrole": "clerk"}
        assert stage.sent() == [("bob", [36, 1, stage.publications, who, [1], {"a": 2}])]
        stage.leave("ann")
        host.publish_as(ann, "com.t")
        assert stage.sent() == [("bob", [36, 1, stage.publications, {}])]

    @pytest.mark.parametrize(
        ("topic", "options", "uri"),
        [
            ("probe.t", {}, "wamp.error.not_authorized"),
            ("com.t", {"exclude": 1}, "wamp.error.invalid_argument"),
            ("com.t", {"ppt_scheme": "x"}, "wamp.error.invalid_argument"),
            ("com.secret", {"disclose_me": True}, "wamp.error.option_disallowed.disclose_me"),
        ],
    )
    def test_does_not_publish_what_a_session_may_not(self, topic: str, options: Any, uri: str) -> None:
        stage = play(roles=roles(clerk=[may(""), may("com.secret", "exact", disclosure="never")]))
        stage.join("ann")
        with pytest.raises(PublishRefused) as raised:
            stage.extension("probe").host.publish_as(stage.sessions["ann"], topic, options=options)
        assert raised.value.error == uri
        assert str(raised.value) == raised.value.text != ""
        assert stage.sent() == []

    def test_does_not_publish_what_nobody_can_carry(self) -> None:
        stage = play("ann")
        with pytest.raises(TypeError):
            stage.extension("probe").host.publish_as(stage.sessions["ann"], "com.t", [object()])


class TestPublishing:
    def stage(self) -> ExtensionPlay:
        """Three subscribers: two exact in different serializers, one of them by a pattern too."""
        stage = play()
        for name, serializer in (("ann", JSON), ("bob", CBOR), ("cat", JSON)):
            stage.join(name, serializer=serializer)
        stage("ann", [32, 1, {}, "probe.t"])
        stage("bob", [32, 1, {}, "probe.t"])
        stage("cat", [32, 1, {"match": "prefix"}, "probe."])
        stage("ann", [32, 2, {"match": "wildcard"}, "probe."])
        return stage

    def test_reaches_exact_and_pattern_subscriptions(self) -> None:
        stage = self.stage()
        host = stage.extension("probe").host
        assert host.has_subscribers("probe.t")
        host.publish("probe.t", [b"x"], {"a": 1})
        number, topic = stage.publications, {"topic": "probe.t"}
        assert stage.sent() == [
            ("ann", [36, 1, number, {}, [b"x"], {"a": 1}]),
            ("bob", [36, 1, number, {}, [b"x"], {"a": 1}]),
            ("cat", [36, 2, number, topic, [b"x"], {"a": 1}]),
            ("ann", [36, 3, number, topic, [b"x"], {"a": 1}]),
        ]

    def test_without_receivers_takes_nothing(self) -> None:
        stage = play("ann")
        host = stage.extension("probe").host
        before = stage.publications
        assert not host.has_subscribers("probe.t")
        host.publish("probe.t", [object()])
        host.publish_each("probe.t", lambda session: pytest.fail("nobody is there"))
        assert stage.publications == before

    def test_to_each_what_is_meant_for_it(self) -> None:
        stage = self.stage()
        payloads = {1: Payload(["ann"]), 2: None, 3: Payload(kwargs={"cat": 1})}
        stage.extension("probe").host.publish_each("probe.t", lambda session: payloads[session.id])
        number = stage.publications
        assert stage.sent() == [
            ("ann", [36, 1, number, {}, ["ann"]]),
            ("cat", [36, 2, number, {"topic": "probe.t"}, [], {"cat": 1}]),
            ("ann", [36, 3, number, {"topic": "probe.t"}, ["ann"]]),
        ]

    def test_equal_payloads_are_encoded_once_for_each_serializer(self) -> None:
        stage = self.stage()
        payload = Payload(["x"])
        stage.extension("probe").host.publish_each("probe.t", lambda session: payload)
        args = [output.message.args for output in stage.world.sent]
        assert args[0] is args[2] is args[3]
        assert args[1] is not args[0]

    def test_who_gets_the_same_gets_one_message(self) -> None:
        stage = play()
        for name in ("ann", "bob", "cat"):
            stage.join(name, serializer=JSON)
            stage(name, [32, 1, {}, "probe.t"])
        payload = Payload(["x"])
        host = stage.extension("probe").host
        host.publish_each("probe.t", lambda session: payload)
        host.publish_each("probe.t", lambda session: payload, lambda session: 0)
        assert [len(output.recipients) for output in stage.world.sent] == [3, 3]  # type: ignore[union-attr]


class TestGroups:
    """``publish_each`` with groups: one is asked for all of its group, and right after any change."""

    def stage(self) -> ExtensionPlay:
        stage = play()
        for name in ("ann", "bob", "cat", "dan"):
            stage.join(name, serializer=JSON)
            stage(name, [32, 1, {}, "probe.t"])
        self.odd = {1: True, 2: False, 3: True, 4: False}  # session id -> its group
        self.grouped: list[int] = []
        self.asked: list[int] = []
        self.host = stage.extension("probe").host
        return stage

    def group_of(self, session: Any) -> bool:
        self.grouped.append(session.id)
        return self.odd[session.id]

    def payload_of(self, session: Any) -> Payload | None:
        self.asked.append(session.id)
        return Payload([self.odd[session.id]])

    def publish(self, stage: ExtensionPlay) -> dict[str, Any]:
        """Publish, and give who got what."""
        self.asked.clear()
        self.host.publish_each("probe.t", self.payload_of, self.group_of)
        sent = stage.sent()
        received = {name: wire[4][0] for name, wire in sent}
        assert len(received) == len(sent)
        return received

    def test_are_remembered(self) -> None:
        stage = self.stage()
        everybody = {"ann": True, "bob": False, "cat": True, "dan": False}
        assert self.publish(stage) == everybody
        assert self.publish(stage) == everybody
        assert self.asked == [1, 2]
        assert self.grouped == [1, 2, 3, 4]

    def test_of_which_nobody_gets_anything(self) -> None:
        stage = self.stage()
        self.host.publish_each("probe.t", lambda session: None, self.group_of)
        assert stage.sent() == []
        assert len(self.publish(stage)) == 4

    def test_another_grouping(self) -> None:
        stage = self.stage()
        self.publish(stage)
        self.host.publish_each("probe.t", lambda session: Payload([session.id]), lambda session: session.id)
        assert [wire[4] for _, wire in stage.sent()] == [[1], [2], [3], [4]]
        assert len(self.publish(stage)) == 4

    def test_when_somebody_subscribes_or_unsubscribes(self) -> None:
        stage = self.stage()
        self.publish(stage)
        stage.join("eve", serializer=JSON)
        self.odd[5] = True
        stage("eve", [32, 1, {}, "probe.t"])
        assert self.publish(stage)["eve"] is True
        stage("ann", [34, 2, 1])
        assert self.host._groupings == {}
        assert set(self.publish(stage)) == {"bob", "cat", "dan", "eve"}
        assert self.asked == [2, 3]

    def test_when_somebody_leaves(self) -> None:
        stage = self.stage()
        self.publish(stage)
        stage.leave("bob")
        assert self.host._groupings == {}
        assert self.publish(stage) == {"ann": True, "cat": True, "dan": False}

    def test_when_visibility_changes(self) -> None:
        stage = self.stage()
        self.publish(stage)
        self.odd[2] = True
        self.host.regroup()
        assert self.publish(stage)["bob"] is True

    def test_when_roles_change(self) -> None:
        stage = self.stage()
        self.publish(stage)
        stage.realm.reconfigure(config(extensions={"probe": Probe.Config()}))
        self.odd[2] = True
        assert self.publish(stage)["bob"] is True

    def test_are_bounded(self) -> None:
        stage = play()
        stage.join("ann", serializer=JSON)
        host = stage.extension("probe").host
        for number in range(MAX_REMEMBERED + 1):
            stage("ann", [32, number + 1, {}, f"probe.t{number}"])
            host.publish(f"probe.t{number}")
        assert len(host._groupings) == 1
        assert len(stage.sent()) == MAX_REMEMBERED + 1


def changed(stage: ExtensionPlay, **given: Any) -> list[Any]:
    """Reconfigure the realm with these extensions; give what is told."""
    return stage.told(stage.realm.reconfigure(config(extensions=given)))


class TestChanging:
    def test_settings(self) -> None:
        stage = play("ann")
        waiting = call(stage)
        probe = stage.extension("probe")
        assert changed(stage, probe=Probe.Config(size=3)) == []
        assert changed(stage, probe=Probe.Config(size=3)) == []
        assert probe.events == ["open", ("joined", 1), ("reconfigure", 3)]
        assert probe.config.size == 3
        waiting.result()
        assert stage.sent() == answer("ann", 1)

    def test_one_is_added(self) -> None:
        """Nobody registers there from then on, and who had is out."""
        stage = play("ann", given={})
        stage("ann", [64, 1, {}, "probe.echo"])
        stage("ann", [48, 2, {}, "probe.echo"])
        changed(stage, probe=Probe.Config())
        assert stage.sessions["ann"].registrations == {}
        assert stage("ann", [48, 3, {}, "probe.echo", [1]]) == answer("ann", 3, [1], {})
        assert stage.extension("probe").host.sessions == stage.realm.sessions

    def test_one_is_removed(self) -> None:
        """Who waits for another one goes on waiting."""
        stage = play("ann", "bob", given={"probe": Probe.Config(), "other": NoSettings()})
        kept: list[ProcedureCall] = []
        stage.extension("other").procedures["other.keep"] = kept.append
        stage("bob", [48, 7, {}, "other.keep"])
        probe = stage.extension("probe")
        waiting, canceled = call(stage), []
        call(stage, "bob", 8)
        waiting.on_cancel = lambda: canceled.append(1)
        timer = probe.host.call_later(1, lambda: pytest.fail("it is closed"))
        stage("ann", [64, 2, {}, "com.x"])
        stage("ann", [48, 3, {}, "com.x"])
        text = "what was to answer has ended"
        told = changed(stage, other=NoSettings())
        assert told == error("ann", 1, CANCELED, text) + error("bob", 8, CANCELED, text)
        kept[0].result([7])
        assert stage.sent() == answer("bob", 7, [7])
        assert canceled == [1]
        assert probe.events[-1] == "close"
        stage.world.clock.advance(1)
        timer.cancel()
        (told,) = stage("ann", [48, 4, {}, "probe.echo"])
        assert told[1][4] == "wamp.error.no_such_procedure"
        assert list(stage.sessions["ann"].calls) == [3]

    def test_one_closes_later_or_fails_to(self) -> None:
        stage = play(given={"probe": Probe.Config(fails="a deferred")})
        changed(stage)
        assert stage.world.closed == [("extension 'probe' of realm 'realm1'", "a deferred")]
        stage = play(given={"probe": Probe.Config(fails="close")})
        stage.realm.extensions.close()
        assert stage.log("probe").failures == ["ZeroDivisionError('close')"]
        assert stage.realm.extensions.running == {}


class TestRefusing:
    @pytest.mark.parametrize(
        ("fails", "text"),
        [
            ("open", "realm 'realm1': extensions.probe.size: does not open"),
            ("defect at open", "realm 'realm1': extensions.probe: it failed: ZeroDivisionError: open"),
        ],
    )
    def test_the_start(self, fails: str, text: str) -> None:
        with pytest.raises(ExtensionError) as raised:
            play(given={"probe": Probe.Config(fails=fails)})
        assert str(raised.value) == text

    def test_a_reload_changes_nothing(self) -> None:
        """What was opened for it is closed, and who took new settings takes the old ones back."""
        stage = play("ann")
        probe = stage.extension("probe")

        class Stubborn(Probe):
            name = "stubborn"
            opened: list[Any] = []

            def open(self) -> None:
                self.opened.append(self)
                self.host.call_later(1, lambda: pytest.fail("it did not open"))
                super().open()

        CLASSES["stubborn"] = Stubborn
        try:
            with pytest.raises(ExtensionError, match=r"extensions\.stubborn\.size: does not open"):
                changed(
                    stage,
                    other=NoSettings(),
                    probe=Probe.Config(size=9),
                    stubborn=Stubborn.Config(fails="open"),
                )
        finally:
            del CLASSES["stubborn"]
        assert probe.events[-2:] == [("reconfigure", 9), ("reconfigure", 0)]
        assert list(stage.realm.extensions.running) == ["probe"]
        assert stage("ann", [48, 1, {}, "probe.echo"]) == answer("ann", 1, [], {})
        stage.world.clock.advance(1)
        assert changed(stage, probe=Probe.Config(size=5)) == []
        assert probe.events[-1] == ("reconfigure", 5)

    @pytest.mark.parametrize(
        ("fails", "failures"),
        [("reconfigure", []), ("defect at reconfigure", ["ZeroDivisionError('reconfigure')"])],
    )
    def test_new_settings(self, fails: str, failures: list[str]) -> None:
        stage = play()
        with pytest.raises(ExtensionError, match=r"realm 'realm1': extensions\.probe"):
            changed(stage, probe=Probe.Config(fails=fails))
        assert stage.log("probe").failures == failures
        assert stage.extension("probe").config == Probe.Config()

    def test_to_take_the_old_settings_back(self) -> None:
        """Nothing more can be done than to log it."""
        stage = play(given={"probe": Probe.Config(fails="reconfigure")})
        change = stage.realm.extensions.prepare({"probe": Probe.Config()})
        stage.realm.extensions.undo(change)
        assert stage.log("probe").failures == ["ExtensionError('size: does not reconfigure')"]


def test_an_extension_has_no_need_to_do_anything() -> None:
    stage = play("ann", given={"other": NoSettings()})
    other = stage.extension("other")
    assert other.config == NoSettings()
    assert other.procedures == {}
    other.reconfigure(NoSettings())
    stage.leave("ann")
    stage.realm.extensions.close()
    assert stage.world.closed == []
    assert Other.check(None, ()) is None  # type: ignore[arg-type, func-returns-value]


def test_an_error_has_a_place_where_it_is_known() -> None:
    assert str(ExtensionError("", "is locked")) == "is locked"
