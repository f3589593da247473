"""
Whatever sessions do in whatever order: what must always hold of the dealer.

- Every CALL gets exactly one final reply, unless its caller left; none comes after it.
- After ``leave`` no table mentions the session.
- What the registration meta API says is what dispatch does, and what a naive search finds.
- No message goes to a session that left.
"""

import gc
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.routing.dealer import Dealer, DealerLimits, PendingCall
from router.routing.outputs import Announcement
from router.routing.placing import Asked, QueuedCall, place
from router.routing.session import Session
from router.wamp.messages import Call, Cancel, Error, Invocation, Register, Result, Unregister, Yield

EVERY_FEATURE = (
    "callee.call_canceling",
    "callee.call_reroute",
    "callee.call_timeout",
    "callee.payload_passthru_mode",
    "callee.progressive_call_invocations",
    "callee.progressive_call_results",
    "caller.payload_passthru_mode",
    "caller.progressive_call_invocations",
)
CALLER_FEATURES = EVERY_FEATURE[-2:]
URIS = ("a", "a.b", "a.c", "a.b.c", "a.b.cc", "z.b.c")
PATTERNS = ("a", "a.b", "a.", "a..c", ".b.c", "..", "a.b.c")

index = st.integers(0, 1000)
call_options = st.fixed_dictionaries(
    {},
    optional={
        "progress": st.booleans(),
        "receive_progress": st.booleans(),
        "timeout": st.sampled_from([None, 0, 5, 50, -1]),
        "ppt_scheme": st.sampled_from([None, "wamp"]),
    },
)
shard_options = st.sampled_from(["x", "y"]).map(lambda key: {"runmode": "partition", "rkey": key})


def naive_match(registrations, uri):
    """Find the best match by looking at all: exact, longest prefix, wildcard with the earliest literals."""
    components = uri.split(".")

    def rank(registration):
        pattern = registration.procedure
        if registration.match == "exact":
            return (0,) if pattern == uri else None
        if registration.match == "prefix":
            return (1, -len(pattern)) if uri.startswith(pattern) else None
        parts = pattern.split(".")
        if len(parts) != len(components):
            return None
        if any(part not in ("", component) for part, component in zip(parts, components, strict=True)):
            return None
        return (2, [part == "" for part in parts])

    ranked = [(rank(each), each.id) for each in registrations if rank(each) is not None]
    return min(ranked)[1] if ranked else None


class DealerMachine(RuleBasedStateMachine):
    """Sessions that register, call, answer, cancel and leave; what each was told is counted."""

    @initialize(default_timeout=st.sampled_from([0, 20]), small=st.booleans())
    def start(self, default_timeout, small):
        limit = 2 if small else 1000
        limits = DealerLimits(
            registrations_per_session=limit,
            pending_calls_per_session=limit,
            pending_invocations_per_session=limit,
            queued_calls_per_registration=limit,
            kept_call_bytes_per_session=1_200 if small else 10**9,
            call_timeout_ms=default_timeout,
        )
        self.draw = 0
        self.dealer = Dealer(limits=limits, randbelow=self.randbelow)
        self.now = 0.0
        self.last_session_id = 0
        self.last_request = 0
        self.sessions = []
        self.open = {}  # (session id, request) -> procedure, of calls that await their final reply
        self.streaming = set()  # those of them whose input goes on
        self.sent = {}  # session id -> last invocation id
        self.registered = {}  # id -> Registration, as announced
        for _ in range(2):
            self.join(frozenset(EVERY_FEATURE))

    def randbelow(self, n):
        self.draw += 1
        return self.draw % n

    def some(self, number):
        return self.sessions[number % len(self.sessions)]

    def take(self, outputs):
        for output in outputs:
            if isinstance(output, Announcement):
                self.take_announcement(output)
            else:
                (session,) = output.recipients
                assert session in self.sessions, "a message to a session that left"
                self.take_message(session, output.message)

    def take_announcement(self, told):
        if told.topic == "wamp.registration.on_create":
            registration_id = told.args[1]["id"]
            assert registration_id not in self.registered
            self.registered[registration_id] = self.dealer.get(registration_id)
        elif told.topic == "wamp.registration.on_delete":
            del self.registered[told.args[1]]

    def take_message(self, session, message):
        if isinstance(message, Invocation):
            last = self.sent.get(session.id, 0)
            assert message.request <= last + 1
            self.sent[session.id] = max(last, message.request)
        elif isinstance(message, Result) or (isinstance(message, Error) and message.request_type == 48):
            key = (session.id, message.request)
            assert key in self.open, "a reply after the final one"
            if not message.details.get("progress"):
                del self.open[key]
                self.streaming.discard(key)

    @rule(features=st.frozensets(st.sampled_from(EVERY_FEATURE)))
    @precondition(lambda self: len(self.sessions) < 6)
    def join(self, features):
        self.last_session_id += 1
        self.sessions.append(Session(self.last_session_id, features=features | set(CALLER_FEATURES)))

    @rule(
        who=index,
        match=st.sampled_from(["exact", "prefix", "wildcard"]),
        uri=index,
        invoke=st.sampled_from(["single", "first", "last", "roundrobin", "random"]),
        options=st.fixed_dictionaries(
            {"forward_timeout": st.booleans()},
            optional={
                "concurrency": st.sampled_from([None, 0, 1, 2]),
                "rkey": st.sampled_from([None, "x", "y"]),
                "force_reregister": st.booleans(),
            },
        ),
    )
    def register(self, who, match, uri, invoke, options):
        procedure = (URIS if match == "exact" else PATTERNS)[uri % 6]
        options = {"match": match, "invoke": invoke, **options}
        self.take(self.dealer.register(self.some(who), Register(1, options, procedure), "2024-01-01"))

    @rule(who=index, which=index)
    def unregister(self, who, which):
        session = self.some(who)
        held = sorted(session.registrations) or [999]
        self.take(self.dealer.unregister(session, Unregister(1, held[which % len(held)])))

    @rule(who=index, uri=st.sampled_from(URIS), options=st.one_of(st.just({}), call_options, shard_options))
    def call(self, who, uri, options):
        caller = self.some(who)
        expected = self.dealer.match(uri)
        self.last_request += 1
        key = (caller.id, self.last_request)
        self.open[key] = uri
        if options.get("progress"):
            self.streaming.add(key)
        outputs = self.dealer.call(caller, Call(self.last_request, options, uri), self.now)
        invocations = [each.message for each in outputs if isinstance(each.message, Invocation)]
        assert all(each.registration == expected for each in invocations)
        assert all(
            each.recipients[0].id in self.dealer.list_callees(expected) for each in outputs if invocations
        )
        self.take(outputs)

    @rule(which=index, more=st.booleans())
    @precondition(lambda self: self.streaming)
    def continue_call(self, which, more):
        key = sorted(self.streaming)[which % len(self.streaming)]
        (caller,) = [session for session in self.sessions if session.id == key[0]]
        if not more:
            self.streaming.discard(key)
        self.take(self.dealer.call(caller, Call(key[1], {"progress": more}, self.open[key]), self.now))

    @rule(
        who=index,
        which=index,
        options=st.sampled_from([{}, {"progress": True}, {"progress": False}, {"x": 1}]),
        error=st.sampled_from([None, None, "com.error", "wamp.error.unavailable"]),
    )
    def answer(self, who, which, options, error):
        """Answer any invocation that was ever sent, late ones included."""
        callee = self.some(who)
        sent = self.sent.get(callee.id)
        if sent is None:
            return
        invocation = which % sent + 1
        if error is not None:
            self.take(self.dealer.error(callee, Error(68, invocation, {}, error)))
        else:
            self.take(self.dealer.yield_(callee, Yield(invocation, options), self.now))

    @rule(who=index, which=index, mode=st.sampled_from([None, "skip", "kill", "killnowait", "wrong"]))
    def cancel(self, who, which, mode):
        caller = self.some(who)
        requests = [request for session_id, request in self.open if session_id == caller.id] or [1]
        self.take(self.dealer.cancel(caller, Cancel(requests[which % len(requests)], {"mode": mode})))

    @rule(step=st.sampled_from([0.001, 0.01, 0.1]))
    def pass_time(self, step):
        self.now += step
        self.take(self.dealer.expire(self.now))
        deadline = self.dealer.next_deadline()
        assert deadline is None or deadline > self.now

    @rule(who=index)
    @precondition(lambda self: len(self.sessions) > 1)
    def leave(self, who):
        session = self.some(who)
        self.sessions.remove(session)
        for key in [key for key in self.open if key[0] == session.id]:
            del self.open[key]
            self.streaming.discard(key)
        self.take(self.dealer.leave(session))
        self.sent.pop(session.id, None)
        assert (session.calls, session.invocations, session.registrations) == ({}, {}, {})
        assert session not in reachable(self.dealer, *self.sessions)

    @invariant()
    def calls_that_await_a_reply_are_the_pending_ones(self):
        pending = {(session.id, request) for session in self.sessions for request in session.calls}
        assert pending == set(self.open)
        invoked = [call for session in self.sessions for call in session.invocations.values()]
        lines = [call for each in self.registered.values() for call in each.line]
        assert sorted((call.caller.id, call.request) for call in invoked + lines) == sorted(pending)

    @invariant()
    def what_is_kept_of_calls_is_counted(self):
        for session in self.sessions:
            kept = [call.asked for call in session.calls.values() if call.asked is not None]
            assert session.kept_call_bytes == sum(asked.kept_bytes for asked in kept)
            assert all(asked.kept_bytes for asked in kept)
            assert session.kept_call_bytes <= self.dealer.limits.kept_call_bytes_per_session

    @invariant()
    def whoever_waits_with_a_timeout_has_a_deadline(self):
        for registration in self.registered.values():
            for queued in registration.line:
                assert (queued.timer is not None) == bool(queued.timeout)

    @invariant()
    def nobody_waits_for_a_callee_that_is_free(self):
        for registration in self.registered.values():
            for queued in registration.line:
                assert (
                    place(queued.asked, self.randbelow, self.dealer.limits.pending_invocations_per_session)
                    is None
                )

    @invariant()
    def no_callee_has_more_than_it_wants(self):
        invoked = [call for session in self.sessions for call in session.invocations.values()]
        for registration in self.registered.values():
            counted = Counter(call.callee for call in invoked if call.counted is registration)
            assert counted == Counter(registration.busy)

    @invariant()
    def the_meta_api_agrees_with_dispatch(self):
        by_policy = self.dealer.registrations_by_policy()
        assert sorted(id_ for ids in by_policy.values() for id_ in ids) == sorted(self.registered)
        for match, ids in by_policy.items():
            for registration_id in ids:
                registration = self.registered[registration_id]
                assert registration.match == match
                assert self.dealer.lookup(registration.procedure, match) == registration_id
                assert self.dealer.count_callees(registration_id) >= 1
                assert all(registration_id in callee.registrations for callee in registration.callees)
        for uri in URIS:
            assert self.dealer.match(uri) == naive_match(self.registered.values(), uri)

    def teardown(self):
        """At the end everybody leaves: nothing is left."""
        if hasattr(self, "dealer"):
            while self.sessions:
                session = self.sessions.pop()
                self.open = {key: uri for key, uri in self.open.items() if key[0] != session.id}
                self.take(self.dealer.leave(session))
            assert self.open == self.registered == {}
            assert self.dealer.next_deadline() is None
            assert reachable(self.dealer) == set()


def reachable(*roots):
    """Give the sessions that can be reached from ``roots`` through tables and records, at any depth."""
    seen, todo, found = set(), list(roots), set()
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type | str | int | float):
            continue
        seen.add(id(thing))
        if isinstance(thing, Session):
            found.add(thing)
        if isinstance(thing, PendingCall | QueuedCall | Asked):
            todo += [getattr(thing, name) for name in thing.__struct_fields__]
        elif not callable(thing):
            todo += gc.get_referents(thing)
    return found


TestDealer = DealerMachine.TestCase
TestDealer.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
