"""Authorizers: what is asked, in which order the session's messages go on, what is remembered, what fails."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import structs
from twisted.logger import capturedLogs
from wire_router import ANY, CONFIG, EVERYTHING, WirePeer, WireRouter, text

from realms.authorization.config import Authorization
from realms.config import Limits, Permission, RealmConfig, RoleConfig
from realms.history.config import HistoryConfig
from realms.management_config import Management

AUTHORIZE = "com.example.authorize"
NOT_AUTHORIZED = "wamp.error.not_authorized"
FAILED = "wamp.error.authorization_failed"
STATIC = (
    Permission(uri="com.static.", match="prefix", allow=("call", "subscribe")),
    Permission(uri="com.static.secret", allow=()),
)


def config(permissions: Any = STATIC, limits: Any = None, **settings: Any) -> RealmConfig:
    """Configure the role ``user`` (alice, bob) with an authorizer; ``anonymous`` may do everything."""
    user = RoleConfig(permissions=permissions, authorizer=AUTHORIZE, authorization=Authorization(**settings))
    changed = structs.replace(
        CONFIG, roles={**CONFIG.roles, "user": user}, management=Management(roles=("admin",))
    )
    return changed if limits is None else structs.replace(changed, limits=limits)


class Authorizer:
    """The authorizer's end; ``asked`` are the questions, as ``(authid, action, uri, options)``."""

    def __init__(self, router: WireRouter) -> None:
        self.peer = router.join(without=["callee.call_canceling"])
        self.asked: list[tuple[str, str, str, Any]] = []
        self.details: dict[str, Any] = {}
        self.registration = self.peer.register(AUTHORIZE)

    def takes(self) -> int:
        """Take the next question, and give the request id of its answer."""
        code, request, registration, details, args = self.peer.take()
        assert (code, registration, details) == (68, self.registration, {})
        self.details, uri, action, options = args
        self.asked.append((self.details["authid"], action, uri, options))
        return int(request)

    def says(self, *answer: Any) -> None:
        """Take the next question and answer it."""
        self.peer.send([70, self.takes(), {}, list(answer)])


@pytest.fixture
def made() -> Iterator[Callable[..., tuple[WireRouter, Authorizer]]]:
    """Make a router with an authorizer; in the end every message must have been looked at."""
    routers = []

    def make(*serializers: str, **settings: Any) -> tuple[WireRouter, Authorizer]:
        router = WireRouter(serializers or ("json",), config(**settings))
        routers.append(router)
        return router, Authorizer(router)

    yield make
    for router in routers:
        router.check()


def serve(router: WireRouter, procedure: str = "com.x") -> WirePeer:
    """Join a callee whose role needs no authorizer."""
    callee = router.join()
    callee.register(procedure)
    return callee


def calls_through(caller: WirePeer, callee: WirePeer, procedure: str = "com.x") -> None:
    """Call and have it answered."""
    request = caller.call(procedure)
    answer(callee)
    caller.expect([50, request, {}])


def answer(callee: WirePeer) -> None:
    invocation = callee.take()
    assert invocation[0] == 68, invocation
    callee.send([70, invocation[1], {}])


class TestQuestion:
    @pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
    def test_a_call(self, made: Any, serializer: str) -> None:
        """It is told who asks, the URI, the action and the options; the call then goes on."""
        router, authorizer = made("json", serializer)
        callee, alice = serve(router), router.join("alice", serializer=serializer)
        request = alice.call("com.x", ["payload"], timeout=50, receive_progress=None)
        callee.expect_nothing()
        authorizer.says(True)
        assert authorizer.asked == [("alice", "call", "com.x", {"timeout": 50})]
        assert authorizer.details == {
            "session": alice.id,
            "authid": "alice",
            "authrole": "user",
            "authmethod": "ticket",
            "authprovider": "static",
            "transport": ANY,
        }
        assert callee.take()[4] == ["payload"]
        callee.send([70, 1, {}])
        alice.expect([50, request, {}])

    def test_each_action(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        alice.send([64, alice.next(), {}, "com.mine"])
        authorizer.says(True)
        assert alice.take()[0] == 65
        alice.send([32, alice.next(), {"match": "prefix"}, "com.topics."])
        authorizer.says(True)
        assert alice.take()[0] == 33
        request = alice.publish("com.topic", acknowledge=True)
        authorizer.says(True)
        alice.expect([17, request, ANY])
        assert [question[1:] for question in authorizer.asked] == [
            ("register", "com.mine", {"match": "exact"}),
            ("subscribe", "com.topics.", {"match": "prefix"}),
            ("publish", "com.topic", {"acknowledge": True}),
        ]

    def test_each_action_refused(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        requests = (
            [64, 1, {}, "com.mine"],
            [32, 2, {"match": "wildcard"}, "com..x"],
            [16, 3, {"acknowledge": True}, "com.topic"],
            [48, 4, {}, "com.x"],
        )
        for request in requests:
            alice.send(request)
            authorizer.says(False)
            alice.expect_only([8, request[0], request[1], {}, NOT_AUTHORIZED, [text("may not")]])
        alice.send([16, 5, {}, "com.topic"])
        authorizer.says(False)
        alice.expect_nothing()

    def test_what_a_permission_decides_is_not_asked(self, made: Any) -> None:
        router, _ = made()
        callee, alice = serve(router, "com.static.x"), router.join("alice")
        calls_through(alice, callee, "com.static.x")
        request = alice.call("com.static.secret")
        alice.expect([8, 48, request, {}, NOT_AUTHORIZED, ANY])
        alice.subscribe("com.static.x")

    def test_a_pattern_of_which_a_permission_forbids_a_part_is_not_asked(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        for request, uri in ((1, "com.static."), (2, "com.")):
            alice.send([32, request, {"match": "prefix"}, uri])
            alice.expect([8, 32, request, {}, NOT_AUTHORIZED, ANY])
        alice.send([32, 3, {"match": "prefix"}, "com.free."])
        authorizer.says(True)
        alice.expect([33, 3, ANY])

    def test_what_nobody_may_or_is_not_valid_is_not_asked(self, made: Any) -> None:
        router, _ = made()
        alice = router.join("alice")
        alice.send([64, 1, {}, "wamp.x"], [48, 2, {}, "no uri"], [32, 3, {"match": "fuzzy"}, "com.x"])
        errors = [message[4] for message in alice.drain()]
        assert errors == [NOT_AUTHORIZED, "wamp.error.invalid_uri", "wamp.error.invalid_argument"]

    def test_nobody_becomes_the_authorizer_by_asking_it(self, made: Any) -> None:
        router, _ = made(permissions=())
        alice = router.join("alice")
        alice.send([64, 1, {}, AUTHORIZE], [64, 2, {"match": "prefix"}, "com."])
        assert [message[4] for message in alice.drain()] == [NOT_AUTHORIZED] * 2

    def test_with_the_authorizer_first_everything_is_asked_and_null_leaves_it_to_the_permissions(
        self, made: Any
    ) -> None:
        router, authorizer = made(first="authorizer")
        callee, alice = serve(router, "com.static.x"), router.join("alice")
        for allow, procedure, allowed in (
            (None, "com.static.x", True),
            (None, "com.static.secret", False),
            (None, "com.other", False),
            (False, "com.static.x", False),
        ):
            request = alice.call(procedure)
            authorizer.says(allow)
            if allowed:
                answer(callee)
                alice.expect([50, request, {}])
            else:
                alice.expect([8, 48, request, {}, NOT_AUTHORIZED, ANY])

    def test_null_refuses_where_no_permission_matches(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        request = alice.call("com.x")
        authorizer.says(None)
        alice.expect([8, 48, request, {}, NOT_AUTHORIZED, ["role 'user' may not call 'com.x'"]])

    def test_the_routers_own_procedures_are_asked_too(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        request = alice.call("wamp.session.count")
        authorizer.says(True)
        alice.expect([50, request, {}, [2]])

    def test_disclosure_and_trust(self, made: Any) -> None:
        """``disclose: true`` tells the callee unasked; ``false`` refuses who asks to be disclosed."""
        router, authorizer = made()
        callee, alice = serve(router), router.join("alice")
        alice.call("com.x")
        authorizer.says({"allow": True, "disclose": True, "trust_level": 3})
        invocation = callee.take()
        assert invocation[3] == {
            "caller": alice.id,
            "caller_authid": "alice",
            "caller_authrole": "user",
            "trustlevel": 3,
        }
        request = alice.call("com.x", disclose_me=True)
        authorizer.says({"allow": True, "disclose": False})
        alice.expect([8, 48, request, {}, "wamp.error.option_disallowed.disclose_me", ANY])


class TestOrder:
    """The session's own messages wait, nobody else's do."""

    def test_messages_are_taken_in_order_after_the_answer(self, made: Any) -> None:
        router, authorizer = made()
        callee, alice = serve(router, "com.static.x"), router.join("alice")
        subscriber = router.join()
        topic = subscriber.subscribe("com.topic")
        alice.send([16, 1, {}, "com.topic", [1]])
        alice.send([48, 2, {}, "com.static.x", [2]])
        alice.send([16, 3, {}, "com.topic", [3]])
        assert not alice.reads
        callee.expect_nothing()
        authorizer.says(True)
        subscriber.expect_only([36, topic, ANY, {}, [1]])
        assert callee.take()[4] == [2]
        callee.send([70, 1, {}])
        alice.expect([50, 2, {}])
        assert not alice.reads  # the last one is being asked about
        authorizer.says(True)
        subscriber.expect_only([36, topic, ANY, {}, [3]])
        assert alice.reads

    def test_messages_of_one_read_keep_their_order_too(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        subscriber = router.join()
        topic = subscriber.subscribe("com.topic")
        wires = [json.dumps([16, n, {}, "com.topic", [n]]).encode() for n in (1, 2, 3)]
        alice.send_bytes(*wires)
        for allow in (True, False, True):
            authorizer.says(allow)
        subscriber.expect_only([36, topic, ANY, {}, [1]], [36, topic, ANY, {}, [3]])

    def test_other_sessions_go_on(self, made: Any) -> None:
        router, authorizer = made()
        callee, alice, bob = serve(router, "com.static.x"), router.join("alice"), router.join("bob")
        alice.call("com.x")
        question = authorizer.takes()
        calls_through(bob, callee, "com.static.x")
        assert bob.reads
        authorizer.peer.send([70, question, {}, [False]])
        assert alice.take()[4] == NOT_AUTHORIZED

    def test_events_and_invocations_still_reach_the_session_that_waits(self, made: Any) -> None:
        router, authorizer = made()
        alice, publisher = router.join("alice"), router.join()
        topic = alice.subscribe("com.static.t")
        alice.call("com.x")
        publisher.publish("com.static.t", [1])
        alice.expect([36, topic, ANY, {}, [1]])
        authorizer.says(False)
        alice.drain()

    def test_a_violation_behind_the_question_ends_the_session_after_the_answer(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        alice.send([48, 1, {}, "com.x"], [1, "realm1", {}])
        assert alice.closed is None
        authorizer.says(False)
        alice.expect([8, 48, 1, {}, NOT_AUTHORIZED, ANY])
        alice.expect_abort("wamp.error.protocol_violation")

    def test_goodbye_waits_for_its_turn(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        alice.send([48, 1, {}, "com.x"], [6, {}, "wamp.close.close_realm"])
        authorizer.says(False)
        alice.expect([8, 48, 1, {}, NOT_AUTHORIZED, ANY], [6, {}, "wamp.close.goodbye_and_out"])

    def test_the_router_says_goodbye_meanwhile(self, made: Any) -> None:
        """The question is taken back; what came behind it is read for the peer's own GOODBYE."""
        router, authorizer = made()
        alice, admin = router.join("alice"), router.join("carol")
        alice.call("com.x")
        question = authorizer.takes()
        alice.send([6, {}, "wamp.close.goodbye_and_out"])
        assert alice.closed is None
        admin.call("wamp.session.kill", [alice.id])
        assert alice.take()[0] == 6
        assert alice.closed is not None
        admin.drain()
        authorizer.peer.send([70, question, {}, [True]])

    def test_the_session_vanishes_meanwhile(self, made: Any) -> None:
        router, authorizer = made()
        callee, alice = serve(router), router.join("alice")
        alice.call("com.x")
        question = authorizer.takes()
        alice.vanish()
        authorizer.peer.send([70, question, {}, [True]])
        callee.expect_nothing()
        assert len(router.realm.router_calls) == 0

    def test_what_is_held_is_bounded(self, made: Any) -> None:
        """A peer that goes on sending although nobody reads is one that breaks the rules of its transport."""
        router, authorizer = made()
        alice = router.join("alice")
        alice.call("com.x")
        authorizer.takes()
        filler = b"[" + b" " * 500_000 + b"]"
        for _ in range(4):
            alice.send_bytes(filler)
        assert alice.closed is None
        alice.send_bytes(filler)
        alice.expect_abort("wamp.error.protocol_violation", text("while an answer was awaited"))

    def test_empty_messages_are_held_for_more_than_nothing(self, made: Any) -> None:
        """A batch of a megabyte can be a million of them, and there is no end to batches."""
        router, authorizer = made()
        alice = router.join("alice")
        alice.call("com.x")
        authorizer.takes()
        alice.send_bytes(*[b""] * 200_000)
        alice.expect_abort("wamp.error.protocol_violation", text("while an answer was awaited"))

    def test_reading_that_the_outbox_resumes_stops_again(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        alice.call("com.x")
        alice.resume_reading()
        alice.call("com.y")
        assert not alice.reads
        authorizer.says(False)
        authorizer.says(False)
        assert alice.reads
        assert [message[2] for message in alice.drain()] == [1, 2]


class TestFailures:
    """Whatever goes wrong, the answer is no, and one line in the log says why."""

    @pytest.fixture
    def refused(self, made: Any) -> Any:
        def check(act: Callable[[WireRouter, Authorizer], None], why: str, **settings: Any) -> None:
            router, authorizer = made(**settings)
            alice = router.join("alice")
            request = alice.call("com.x")
            with capturedLogs() as logged:
                act(router, authorizer)
            said = "whether role 'user' may call 'com.x' could not be decided"
            alice.expect_only([8, 48, request, {}, FAILED, [said]])
            (line,) = [event for event in logged if event["log_namespace"] == "realms.authorization"]
            assert line["why"].startswith(why), line["why"]
            assert (line["authid"], line["role"], line["procedure"]) == ("alice", "user", AUTHORIZE)
            assert alice.reads

        return check

    def test_it_is_not_registered(self) -> None:
        router = WireRouter(config=config())
        alice = router.join("alice")
        with capturedLogs() as logged:
            request = alice.call("com.x")
        alice.expect_only([8, 48, request, {}, FAILED, ANY])
        assert [event["why"][:30] for event in logged] == ["wamp.error.no_such_procedure: "]

    def test_it_does_not_answer_in_time(self, refused: Any) -> None:
        def act(router: WireRouter, authorizer: Authorizer) -> None:
            question = authorizer.takes()
            router.advance(249)
            assert len(router.realm.router_calls) == 1
            router.advance(2)
            authorizer.peer.send([70, question, {}, [True]])  # too late

        refused(act, "wamp.error.timeout: no answer within 250 ms", timeout_ms=250)

    def test_it_answers_with_an_error(self, refused: Any) -> None:
        def act(router: WireRouter, authorizer: Authorizer) -> None:
            authorizer.peer.send([8, 68, authorizer.takes(), {}, "com.oops", ["the database is gone"]])

        refused(act, "com.oops: the database is gone")

    def test_it_leaves(self, refused: Any) -> None:
        def act(router: WireRouter, authorizer: Authorizer) -> None:
            authorizer.takes()
            authorizer.peer.vanish()

        refused(act, "wamp.error.canceled")

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            ([], "expected one value, got 0"),
            ([True, True], "expected one value, got 2"),
            (["yes"], "expected true, false, null or a mapping, got 'yes'"),
            ([1], "expected true, false, null or a mapping, got 1"),
            ([[True]], "expected true, false, null or a mapping, got a list"),
            ([{}], "a mapping needs the key 'allow'"),
            ([{"allow": 1}], "'allow' must be a bool or null, got 1"),
            ([{"allow": True, "cahce": True}], "unknown key 'cahce'; allowed: allow, disclose, trust_level"),
            ([{"allow": True, "disclose": "yes"}], "'disclose' must be a bool or null"),
            (
                [{"allow": True, "cache": "everybody"}],
                "'cache' must be true, false or one of session, authid",
            ),
            ([{"allow": True, "cache": {"a": 1}}], "'cache' must be true, false or one of"),
            ([{"allow": True, "ttl_ms": -1}], "'ttl_ms' must be 0 to 86400000, got -1"),
            ([{"allow": True, "ttl_ms": True}], "'ttl_ms' must be a int"),
            ([{"allow": True, "trust_level": 1.5}], "'trust_level' must be a int or null, got 1.5"),
        ],
    )
    def test_its_answer_is_not_understood(self, refused: Any, answer: Any, why: str) -> None:
        refused(lambda router, authorizer: authorizer.says(*answer), f"bad answer: {why}", cache="role")

    def test_failures_are_not_remembered(self, made: Any) -> None:
        router, authorizer = made(cache="role")
        callee, alice = serve(router), router.join("alice")
        alice.call("com.x")
        authorizer.says("nonsense")
        assert alice.take()[4] == FAILED
        alice.call("com.x")
        authorizer.says(True)
        answer(callee)
        alice.drain()

    def test_the_log_is_not_flooded(self, made: Any) -> None:
        router = WireRouter(config=config())
        alice = router.join("alice")
        with capturedLogs() as logged:
            for _ in range(50):
                alice.call("com.x")
            router.advance(1000)
            alice.call("com.x")
        assert [message[4] for message in alice.drain()] == [FAILED] * 51
        assert [event["more"] for event in logged] == ["", " (and 49 before)"]

    def test_a_realm_that_closes(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        alice.call("com.x")
        authorizer.takes()
        router.turn.deliver(router.realm.close())
        router.end_turn()
        assert [message[0] for message in alice.drain()] == [6]
        authorizer.peer.drain()


class TestMemory:
    """What is remembered, for whom, how long, and what makes it forgotten."""

    def ask(self, authorizer: Authorizer, caller: WirePeer, answer: Any = True, **options: Any) -> bool:
        """Call where nobody answers; tell whether the authorizer was asked."""
        caller.call("com.nobody", **options)
        asked = bool(authorizer.peer.inbox)
        if asked:
            authorizer.says(answer)
        assert caller.take()[4] in ("wamp.error.no_such_procedure", NOT_AUTHORIZED)
        return asked

    def test_nothing_by_default(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        assert self.ask(authorizer, alice)
        assert self.ask(authorizer, alice)
        assert len(router.realm.authorizers) == 0

    @pytest.mark.parametrize(
        ("scope", "asks_again"),
        [
            ("session", {"the same": False, "of its authid": True, "of its role": True}),
            ("authid", {"the same": False, "of its authid": False, "of its role": True}),
            ("role", {"the same": False, "of its authid": False, "of its role": False}),
        ],
    )
    @pytest.mark.parametrize("allow", [True, False])
    @pytest.mark.parametrize("said_by", ["the configuration", "the answer"])
    def test_for_whom(
        self, made: Any, scope: str, asks_again: dict[str, bool], allow: bool, said_by: str
    ) -> None:
        by_configuration = said_by == "the configuration"
        router, authorizer = made(**({"cache": scope} if by_configuration else {}))
        says = allow if by_configuration else {"allow": allow, "cache": scope}
        alice, again, bob = router.join("alice"), router.join("alice"), router.join("bob")
        assert self.ask(authorizer, alice, says)
        callers = {"the same": alice, "of its authid": again, "of its role": bob}
        found = {name: self.ask(authorizer, caller, says) for name, caller in callers.items()}
        assert found == asks_again

    def test_an_answer_may_forbid_to_remember_it(self, made: Any) -> None:
        router, authorizer = made(cache="role")
        alice = router.join("alice")
        assert self.ask(authorizer, alice, {"allow": True, "cache": False})
        assert self.ask(authorizer, alice, {"allow": True, "ttl_ms": 0})
        assert self.ask(authorizer, alice, {"allow": True, "cache": True})
        assert not self.ask(authorizer, alice)

    def test_cache_true_means_the_session_where_the_configuration_says_never(self, made: Any) -> None:
        router, authorizer = made()
        alice, again = router.join("alice"), router.join("alice")
        assert self.ask(authorizer, alice, {"allow": True, "cache": True})
        assert not self.ask(authorizer, alice)
        assert self.ask(authorizer, again)

    def test_each_option_counts(self, made: Any) -> None:
        """The authorizer saw them all, so that its answer may depend on each."""
        router, authorizer = made(cache="session")
        alice = router.join("alice")
        assert self.ask(authorizer, alice)
        assert self.ask(authorizer, alice, timeout=100)
        assert self.ask(authorizer, alice, timeout=200)
        assert not self.ask(authorizer, alice, timeout=100)
        assert not self.ask(authorizer, alice, timeout=None)
        assert not self.ask(authorizer, alice)
        assert self.ask(authorizer, alice, big="x" * 600)
        assert self.ask(authorizer, alice, big="x" * 600)  # too long to be remembered

    def test_options_whose_names_have_no_order(self, made: Any) -> None:
        router, authorizer = made("json", "msgpack", cache="session")
        alice = router.join("alice", serializer="msgpack")
        assert self.ask(authorizer, alice, odd={5: 1, "a": 2})
        assert self.ask(authorizer, alice, odd={5: 1, "a": 2})
        assert len(router.realm.authorizers) == 0

    def test_an_authid_of_another_method_is_another_one(self, made: Any) -> None:
        router, authorizer = made(cache="authid")
        alice, other = router.join("alice"), router.join("alice")
        other.connection.session.authmethod = "cookie"
        assert self.ask(authorizer, alice)
        assert self.ask(authorizer, other)

    def test_for_how_long(self, made: Any) -> None:
        router, authorizer = made(cache="session", ttl_ms=1000)
        alice = router.join("alice")
        assert self.ask(authorizer, alice)
        router.advance(999)
        assert not self.ask(authorizer, alice)
        router.advance(1)
        assert self.ask(authorizer, alice, {"allow": True, "ttl_ms": 5000})
        router.advance(4999)
        assert not self.ask(authorizer, alice)

    def test_a_session_whose_details_were_modified_is_asked_about_again(self, made: Any) -> None:
        router, authorizer = made(cache="session")
        alice, admin = router.join("alice"), router.join("carol")
        assert self.ask(authorizer, alice)
        admin.call("wamp.session.modify_details", [alice.id, {"level": 3}])
        admin.drain()
        assert self.ask(authorizer, alice)
        assert authorizer.details["level"] == 3

    def test_nothing_is_left_of_a_session_that_left(self, made: Any) -> None:
        router, authorizer = made(cache="session")
        alice = router.join("alice")
        self.ask(authorizer, alice)
        assert len(router.realm.authorizers) == 1
        alice.vanish()
        assert len(router.realm.authorizers) == 0

    def test_it_is_bounded_and_the_oldest_goes_first(self, made: Any) -> None:
        router, authorizer = made(cache="session", limits=Limits(cached_authorizations=3))
        alice = router.join("alice")
        for timeout in (1, 2, 3, 4):
            assert self.ask(authorizer, alice, timeout=timeout)
        assert len(router.realm.authorizers) == 3
        assert not self.ask(authorizer, alice, timeout=4)
        assert self.ask(authorizer, alice, timeout=1)

    def test_no_memory_at_all(self, made: Any) -> None:
        router, authorizer = made(cache="session", limits=Limits(cached_authorizations=0))
        alice = router.join("alice")
        assert self.ask(authorizer, alice)
        assert self.ask(authorizer, alice)

    def test_an_authorizer_that_is_registered_anew_is_asked_anew(self, made: Any) -> None:
        router, authorizer = made(cache="role")
        alice = router.join("alice")
        self.ask(authorizer, alice)
        authorizer.peer.vanish()
        assert len(router.realm.authorizers) == 1
        assert self.ask(Authorizer(router), alice)

    def test_other_registrations_make_nothing_forgotten(self, made: Any) -> None:
        router, authorizer = made(cache="role")
        alice, callee = router.join("alice"), router.join()
        self.ask(authorizer, alice)
        callee.register("com.other")
        callee.register("com.exampl", match="prefix")
        assert len(router.realm.authorizers) == 0  # that pattern may answer in its place
        self.ask(authorizer, alice)
        callee.register("com.examples.", match="prefix")
        assert not self.ask(authorizer, alice)

    def test_an_answer_to_an_old_question_is_not_remembered(self, made: Any) -> None:
        """What was decided before a purge counts for that request, and for no other one."""
        router, authorizer = made(cache="role")
        alice = router.join("alice")
        alice.call("com.nobody")
        question = authorizer.takes()
        router.realm.authorizers.purge()
        authorizer.peer.send([70, question, {}, [True]])
        assert alice.take()[4] == "wamp.error.no_such_procedure"
        assert self.ask(authorizer, alice)


class TestPurge:
    """``concord.authorization.purge``."""

    @pytest.fixture
    def filled(self, made: Any) -> tuple[WireRouter, WirePeer, WirePeer]:
        """One decision for alice's session, one for bob's authid, one for the role."""
        router, authorizer = made()
        alice, bob = router.join("alice"), router.join("bob")
        for caller, uri, scope in (
            (alice, "com.a", "session"),
            (bob, "com.b", "authid"),
            (bob, "com.c", "role"),
        ):
            caller.call(uri)
            authorizer.says({"allow": False, "cache": scope})
            caller.drain()
        return router, router.join("carol"), alice

    @pytest.mark.parametrize(
        ("wanted", "count"),
        [
            ({}, 3),
            ({"role": "user"}, 3),
            ({"role": "nobody"}, 0),
            ({"authid": "bob"}, 1),
            ({"authid": "alice"}, 1),
            ({"uri": "com.c"}, 1),
            ({"uri": "com.c", "authid": "bob"}, 0),
            ({"action": "call"}, 3),
            ({"action": "publish"}, 0),
        ],
    )
    def test_forgets_what_is_wanted(self, filled: Any, wanted: dict[str, Any], count: int) -> None:
        router, admin, _ = filled
        assert admin.ask("concord.authorization.purge", **wanted) == count
        assert len(router.realm.authorizers) == 3 - count

    def test_of_a_session(self, filled: Any) -> None:
        _, admin, alice = filled
        assert admin.ask("concord.authorization.purge", session=alice.id) == 1

    def test_an_authorizer_may_too(self, filled: Any) -> None:
        router, _, _ = filled
        answers_for_user = router.peers[0]
        assert answers_for_user.ask("concord.authorization.purge", uri="com.a") == 1
        assert answers_for_user.ask("concord.authorization.purge") == 2

    def test_others_may_not(self, filled: Any) -> None:
        router, _, _ = filled
        other = router.join()
        other.register("com.other")
        request = other.call("concord.authorization.purge")
        other.expect([8, 48, request, {}, NOT_AUTHORIZED, [text("management.roles")]])
        assert len(router.realm.authorizers) == 3

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [(["user"], {}), ([], {"rôle": "user"}), ([], {"session": "7"}), ([], {"action": "cal"})],
    )
    def test_wrong_arguments(self, filled: Any, args: Any, kwargs: Any) -> None:
        router, admin, _ = filled
        request = admin.call("concord.authorization.purge", args, kwargs)
        admin.expect([8, 48, request, {}, "wamp.error.invalid_argument", ANY])
        assert len(router.realm.authorizers) == 3


class TestHistory:
    """Who reads the history of a topic is asked about as who subscribes it."""

    PERMISSIONS = (Permission(uri="wamp.", match="prefix", allow=("call",)),)

    @pytest.fixture(params=["session", "never"])
    def scene(self, request: Any) -> tuple[WireRouter, Authorizer, WirePeer]:
        """A realm with a history, and alice, whose decisions are remembered or not."""
        history = HistoryConfig(uri="com.log.", match="prefix")
        asked = config(self.PERMISSIONS, cache=request.param)
        router = WireRouter(config=structs.replace(asked, event_history=(history,)))
        return router, Authorizer(router), router.join("alice")

    def ask(self, alice: WirePeer) -> int:
        return alice.call("wamp.subscription.get_events", [1])

    @pytest.mark.parametrize(("allowed", "error"), [(True, None), (False, NOT_AUTHORIZED)])
    def test_is_asked_about(self, scene: Any, allowed: bool, error: str | None) -> None:
        router, authorizer, alice = scene
        self.ask(alice)
        alice.expect_nothing()
        authorizer.says(allowed)
        assert authorizer.asked == [("alice", "subscribe", "com.log.", {"match": "prefix"})]
        answer = alice.take()
        assert (answer[4] if answer[0] == 8 else None) == error, answer
        router.check()

    def test_is_for_whoever_holds_the_subscription(self, scene: Any) -> None:
        """It gets the events as they come: it was asked about already."""
        router, authorizer, alice = scene
        alice.send([32, alice.next(), {"match": "prefix"}, "com.log."])
        authorizer.says(True)
        assert alice.take()[0] == 33
        self.ask(alice)
        assert alice.take()[0] == 50
        router.check()

    def test_is_not_read_for_a_caller_that_waits_no_longer(self, scene: Any) -> None:
        router, authorizer, alice = scene
        request = self.ask(alice)
        alice.send([49, request, {}])
        alice.expect([8, 48, request, {}, "wamp.error.canceled", ANY])
        authorizer.says(True)
        router.check()


class TestTestaments:
    """The last will of a session is asked about when it has left."""

    @pytest.mark.parametrize("allow", [True, False])
    def test_is_published_after_the_answer(self, made: Any, allow: bool) -> None:
        router, authorizer = made(
            permissions=(Permission(uri="wamp.", match="prefix", allow=("call",)),), cache="session"
        )
        alice, subscriber = router.join("alice"), router.join()
        topic = subscriber.subscribe("com.will")
        alice.call("wamp.session.add_testament", ["com.will", ["gone"], {}])
        alice.drain()
        alice.vanish()
        authorizer.says(allow)
        subscriber.expect(*([[36, topic, ANY, {}, ["gone"], {}]] if allow else []))
        assert len(router.realm.authorizers) == 0


class TestReload:
    """A changed configuration: what sessions hold is asked about again where their role has changed."""

    def change(self, router: WireRouter, **settings: Any) -> None:
        router.turn.deliver(router.realm.reconfigure(config(**settings)))
        router.end_turn()

    @pytest.fixture
    def holding(self) -> Iterator[tuple[WireRouter, Authorizer, WirePeer, int, int]]:
        """Alice holds a subscription and a registration that a permission has allowed."""
        roles = {**CONFIG.roles, "user": EVERYTHING}
        router = WireRouter(config=structs.replace(CONFIG, roles=roles))
        authorizer = Authorizer(router)
        alice = router.join("alice")
        yield router, authorizer, alice, alice.subscribe("com.t"), alice.register("com.p")
        router.check()

    def test_what_is_refused_is_taken(self, holding: Any) -> None:
        router, authorizer, alice, subscription, registration = holding
        self.change(router)
        authorizer.says(True)
        authorizer.says(False)
        assert [question[1:3] for question in authorizer.asked] == [
            ("subscribe", "com.t"),
            ("register", "com.p"),
        ]
        assert list(alice.connection.session.subscriptions) == [subscription]
        assert list(alice.connection.session.registrations) == []
        for message in alice.drain():
            assert message == [67, 0, {"registration": registration, "reason": "wamp.error.not_authorized"}]

    def test_what_cannot_be_decided_is_taken(self, holding: Any) -> None:
        router, authorizer, alice, subscription, _ = holding
        self.change(router, timeout_ms=100)
        authorizer.takes()
        authorizer.takes()
        router.advance(101)
        assert alice.connection.session.subscriptions == alice.connection.session.registrations == {}
        assert [35, 0, {"subscription": subscription, "reason": "wamp.error.not_authorized"}] in alice.drain()

    def test_a_role_that_stays_as_it_was_is_not_asked_about(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        alice.send([32, alice.next(), {}, "com.t"])
        authorizer.says(True)
        alice.drain()
        self.change(router, limits=Limits(sessions=7))
        authorizer.peer.expect_nothing()
        assert len(alice.connection.session.subscriptions) == 1

    def test_what_was_remembered_is_forgotten(self, made: Any) -> None:
        router, authorizer = made(cache="role")
        alice = router.join("alice")
        alice.call("com.x")
        authorizer.says(True)
        self.change(router, cache="role", ttl_ms=7)
        assert len(router.realm.authorizers) == 0
        alice.drain()

    def test_a_session_that_leaves_meanwhile_is_not_asked_about(self, holding: Any) -> None:
        router, authorizer, alice, _, _ = holding
        for number in range(40):
            alice.subscribe(f"com.t{number}")
        self.change(router)
        alice.vanish()
        while authorizer.peer.inbox:
            authorizer.says(False)
        assert len(authorizer.asked) == 16

    def test_many_are_asked_about_a_few_at_a_time(self, holding: Any) -> None:
        router, authorizer, alice, _, _ = holding
        for number in range(40):
            alice.subscribe(f"com.t{number}")
        self.change(router)
        assert len(authorizer.peer.inbox) == 16
        while authorizer.peer.inbox:
            authorizer.says(True)
        assert len(authorizer.asked) == 42
        assert len(alice.connection.session.subscriptions) == 41

    def test_a_question_that_is_open_is_decided_by_the_new_role(self, made: Any) -> None:
        router, authorizer = made()
        callee, alice = serve(router), router.join("alice")
        request = alice.call("com.x")
        question = authorizer.takes()
        self.change(router, permissions=(Permission(uri="com.x", allow=("call",)),))
        authorizer.peer.send([70, question, {}, [False]])
        answer(callee)
        alice.expect([50, request, {}])

    def test_a_question_that_is_open_is_asked_anew_of_the_new_authorizer(self, made: Any) -> None:
        router, authorizer = made()
        alice = router.join("alice")
        request = alice.call("com.x")
        question = authorizer.takes()
        self.change(router, permissions=())
        authorizer.peer.send([70, question, {}, [True]])
        assert not alice.reads
        authorizer.says(False)
        alice.expect([8, 48, request, {}, NOT_AUTHORIZED, ANY])
        assert alice.reads
