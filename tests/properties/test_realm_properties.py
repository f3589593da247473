"""
Whatever clients do in whatever order, seen from their ends of the wire.

- Every CALL gets exactly one final reply, unless its caller left; none comes after it.
- After a session left, nothing mentions it and nothing is sent to it.
- An event reaches exactly the subscribers that its lists admit, and never one that may not subscribe.
- A retained event reaches no one whom its lists exclude.
- What the meta API says of a procedure or a topic is what dispatch does.
- The router meets no defect, and no client but an offender is aborted.
"""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from wire_router import WirePeer, WireRouter

WHO = {None: "anonymous", "alice": "user", "bob": "user", "carol": "admin", "guest": "guest"}
OPEN = ("com.open.a", "com.open.b")
URIS = (*OPEN, "com.x", "com.x.y", "org.z")
PATTERNS = (
    *(("exact", uri) for uri in URIS),
    ("prefix", "com.open."),
    ("prefix", "com"),
    ("prefix", "com.x"),
    ("wildcard", "com..a"),
    ("wildcard", "com.open."),
    ("wildcard", ".z"),
)
FEATURES = ("callee.call_canceling", "callee.progressive_call_invocations", "callee.call_timeout")
NOT_AUTHORIZED = "wamp.error.not_authorized"

index = st.integers(0, 1000)
flags = st.sampled_from([None, True, False])
call_options = st.fixed_dictionaries(
    {},
    optional={
        "progress": st.booleans(),
        "receive_progress": st.booleans(),
        "timeout": st.sampled_from([0, 30, 100]),
        "disclose_me": st.booleans(),
    },
)
authids = st.sampled_from([["alice"], ["bob", "nobody"], ["alice", "guest"], []])
authroles = st.sampled_from([["user"], ["anonymous", "admin"], ["guest", "user"], []])
LISTS = {
    "eligible": st.lists(index, max_size=3),
    "exclude": st.lists(index, max_size=3),
    "eligible_authid": authids,
    "exclude_authid": authids,
    "eligible_authrole": authroles,
    "exclude_authrole": authroles,
}
lists = st.one_of(
    st.just({}),
    *(st.fixed_dictionaries({name: values}) for name, values in LISTS.items()),
    st.fixed_dictionaries({}, optional=LISTS),
)


def matches(match: str, pattern: str, uri: str) -> bool:
    if match == "exact":
        return uri == pattern
    if match == "prefix":
        return uri.startswith(pattern)
    parts, components = pattern.split("."), uri.split(".")
    return len(parts) == len(components) and all(
        part in ("", component) for part, component in zip(parts, components, strict=True)
    )


class Publication:
    """What was published: ``options`` with ids in their lists, ``publisher`` if it is excluded."""

    def __init__(self, topic: str, options: dict[str, Any], publisher: int) -> None:
        self.topic = topic
        self.options = options
        self.excluded = None if options.get("exclude_me") is False else publisher

    def admits(self, peer: WirePeer) -> bool:
        """'Subscriber Black- and Whitelisting', the six statements, and 'Publisher Exclusion'."""
        own = {"": peer.id, "_authid": peer.details["authid"], "_authrole": peer.details["authrole"]}
        options = self.options
        return (
            peer.id != self.excluded
            and all(value in options.get(f"eligible{kind}", [value]) for kind, value in own.items())
            and all(value not in options.get(f"exclude{kind}", []) for kind, value in own.items())
        )


class RealmMachine(RuleBasedStateMachine):
    """Peers of one realm, and a monitor that asks the meta API; what each peer is sent is judged at once."""

    @initialize()
    def start(self) -> None:
        self.router = WireRouter(("json", "cbor", "msgpack"))
        self.monitor = self.router.join("carol")
        self.peers: list[WirePeer] = []
        self.gone: list[WirePeer] = []
        self.open: dict[tuple[int, int], str] = {}  # (session, request) -> procedure
        self.streams: set[tuple[int, int]] = set()  # those of them whose input goes on
        self.invocations: dict[int, int] = {}  # session -> highest invocation id
        self.registrations: set[tuple[int, int]] = set()  # (session, registration)
        self.subscriptions: dict[tuple[int, int], tuple[str, str]] = {}  # (session, id) -> (match, topic)
        self.expected: list[tuple[int, int, str]] = []  # (session, subscription, payload) of events due
        self.retained: dict[str, Publication] = {}  # payload -> what was retained
        self.described: dict[str, dict[int, str]] = {}  # topic -> session -> title
        self.got_invocation: int | None = None  # the registration of the last INVOCATION
        for number, who in enumerate((None, "alice", "bob", "guest")):
            self.join(who, frozenset())
            self.subscribe(number, ("exact", OPEN[0]), False)
        for number in range(2):
            self.register(number, ("exact", "com.x"), "roundrobin", None, number == 0)

    # What peers are sent

    def judge(self) -> None:
        """Take what everybody was sent, and compare it with what must have been sent."""
        for peer in self.peers:
            for message in peer.drain():
                getattr(self, f"take_{message[0]}", self.refuse)(peer, message)
        assert self.expected == [], "events are missing"
        for peer in self.gone:
            peer.expect_nothing()
        assert self.router.counters["defects"] == 0

    def refuse(self, peer: WirePeer, message: Any) -> None:
        raise AssertionError(f"{peer} was sent {message}")

    def take_50(self, peer: WirePeer, message: Any) -> None:
        key = (peer.id, message[1])
        assert key in self.open, "a RESULT after the final reply"
        if not message[2].get("progress"):
            del self.open[key]
            self.streams.discard(key)

    def take_8(self, peer: WirePeer, message: Any) -> None:
        if message[1] == 48:
            key = (peer.id, message[2])
            assert key in self.open, "an ERROR after the final reply"
            del self.open[key]
            self.streams.discard(key)

    def take_68(self, peer: WirePeer, message: Any) -> None:
        last = self.invocations.get(peer.id, 0)
        assert message[1] <= last + 1
        self.invocations[peer.id] = max(last, message[1])
        self.got_invocation = message[2]
        # A call under way outlives its registration.
        new = message[1] > last
        assert not new or (peer.id, message[2]) in self.registrations, "invoked without a registration"

    def take_69(self, peer: WirePeer, message: Any) -> None:
        assert 1 <= message[1] <= self.invocations[peer.id]
        assert "callee.call_canceling" not in peer.without

    def take_36(self, peer: WirePeer, message: Any) -> None:
        _, subscription, _, details, (payload,) = message
        assert (peer.id, subscription) in self.subscriptions, "an event without a subscription"
        if details.get("retained"):
            publication = self.retained[payload]
            assert publication.admits(peer), "a retained event for somebody whom it excludes"
            assert matches(*self.subscriptions[peer.id, subscription], publication.topic)
        else:
            assert (peer.id, subscription, payload) in self.expected, "an event that was not due"
            self.expected.remove((peer.id, subscription, payload))

    def take_17(self, peer: WirePeer, message: Any) -> None:
        pass

    take_35 = take_67 = take_17

    # What clients do

    def some(self, number: int) -> WirePeer:
        return self.peers[number % len(self.peers)]

    @rule(who=st.sampled_from(list(WHO)), without=st.frozensets(st.sampled_from(FEATURES), max_size=1))
    @precondition(lambda self: len(self.peers) < 7)
    def join(self, who: str | None, without: frozenset[str]) -> None:
        peer = self.router.join(who, without=without)
        peer.without = without
        self.peers.append(peer)

    @rule(who=index, how=st.sampled_from(["leave", "vanish", "offend", "kill"]))
    @precondition(lambda self: len(self.peers) > 2)
    def leave(self, who: int, how: str) -> None:
        peer = self.some(who)
        self.peers.remove(peer)
        self.open = {key: uri for key, uri in self.open.items() if key[0] != peer.id}
        self.streams &= self.open.keys()
        self.registrations = {key for key in self.registrations if key[0] != peer.id}
        self.subscriptions = {key: value for key, value in self.subscriptions.items() if key[0] != peer.id}
        for by in self.described.values():
            by.pop(peer.id, None)
        if how == "offend":
            peer.send([2, 1, {}])
            peer.expect_abort("wamp.error.protocol_violation")
        elif how == "kill":
            request = self.monitor.call("wamp.session.kill", [peer.id])
            self.monitor.expect([50, request, {}])
            peer.expect_only([6, {}, "wamp.close.killed"])
        else:
            getattr(peer, how)()
        self.gone.append(peer)
        self.judge()
        self.nothing_mentions(peer.id)

    def nothing_mentions(self, session: int) -> None:
        realm, ask = self.router.realm, self.monitor.ask
        assert session not in ask("wamp.session.list")
        for kind, members in (("registration", "list_callees"), ("subscription", "list_subscribers")):
            for ids in ask(f"wamp.{kind}.list").values():
                assert all(session not in ask(f"wamp.{kind}.{members}", each) for each in ids)
        for other in realm.sessions.values():
            for pending in (*other.calls.values(), *other.invocations.values()):
                assert session not in (pending.caller.id, pending.callee.id)
            for registration in other.registrations.values():
                holders = (*registration.forwards_timeout, *registration.asks_for_caller, registration.sole)
                assert session not in {holder.id for holder in holders if holder is not None}
            for subscription in other.subscriptions.values():
                assert session not in {recipient.id for recipient in subscription.recipients}
        assert session not in realm._identities
        assert session not in realm.reflection._keys_of
        self.what_is_described_is_shown()

    @rule(
        who=index,
        pattern=st.sampled_from(PATTERNS),
        invoke=st.sampled_from(["roundrobin", "roundrobin", "roundrobin", "single", "random", "last"]),
        forward=flags,
        disclose=flags,
    )
    def register(self, who: int, pattern: Any, invoke: str, forward: Any, disclose: Any) -> None:
        peer, request = self.some(who), self.some(who).next()
        options = {
            "match": pattern[0],
            "invoke": invoke,
            "forward_timeout": forward,
            "disclose_caller": disclose,
        }
        peer.send([64, request, options, pattern[1]])
        answer = peer.take()
        if answer[0] == 65:
            self.registrations.add((peer.id, answer[2]))
        if peer.details["authrole"] == "guest":
            assert answer[:5] == [8, 64, request, {}, NOT_AUTHORIZED]
        self.judge()

    @rule(which=index)
    @precondition(lambda self: self.registrations)
    def unregister(self, which: int) -> None:
        session, registration = sorted(self.registrations)[which % len(self.registrations)]
        (peer,) = [peer for peer in self.peers if peer.id == session]
        peer.send([66, peer.next(), registration])
        self.registrations.discard((session, registration))
        self.judge()

    @rule(which=index)
    @precondition(lambda self: self.registrations or self.subscriptions)
    def revoke(self, which: int) -> None:
        """An administrator takes away what somebody holds; who held it is told, and gets no more of it."""
        held = [("wamp.registration.remove_callee", 67, key) for key in sorted(self.registrations)]
        held += [("wamp.subscription.remove_subscriber", 35, key) for key in sorted(self.subscriptions)]
        procedure, code, key = held[which % len(held)]
        session, number = key
        request = self.monitor.call(procedure, [number, session])
        self.monitor.expect([50, request, {}])
        self.registrations.discard(key if code == 67 else (0, 0))
        self.subscriptions.pop(key if code == 35 else (0, 0), None)
        (peer,) = [peer for peer in self.peers if peer.id == session]
        assert [message[:2] for message in peer.inbox if message[0] == code] == [[code, 0]]
        self.judge()

    @rule(who=index, uri=st.sampled_from(URIS), title=st.none() | st.just("title"))
    def describe(self, who: int, uri: str, title: str | None) -> None:
        """A peer describes a topic or takes that back; it is shown as long as somebody does."""
        peer = self.some(who)
        request = peer.call("wamp.reflect.define", [uri, title and {"title": title}], {"kind": "topic"})
        answer = peer.take()
        assert answer[:3] in ([50, request, {}], [8, 48, request])
        if answer[0] == 50:
            self.described.setdefault(uri, {}).pop(peer.id, None)
            if title:
                self.described[uri][peer.id] = title
        self.what_is_described_is_shown()

    def what_is_described_is_shown(self) -> None:
        shown = self.monitor.ask("wamp.reflection.topic.list")
        assert shown == sorted(uri for uri, by in self.described.items() if by)

    @rule(who=index, uri=st.sampled_from(URIS), options=call_options)
    def call(self, who: int, uri: str, options: dict[str, Any]) -> None:
        peer = self.some(who)
        match = self.monitor.ask("wamp.registration.match", uri)
        request = peer.next()
        self.open[peer.id, request] = uri
        if options.get("progress"):
            self.streams.add((peer.id, request))
        self.got_invocation = None
        peer.send([48, request, options, uri])
        refused = [message[4] for message in peer.inbox if message[:3] == [8, 48, request]]
        self.judge()
        if refused:
            unmatched = refused == ["wamp.error.no_such_procedure"]
            assert not unmatched or match is None
            assert unmatched or refused[0] in (NOT_AUTHORIZED, "wamp.error.feature_not_supported")
        else:
            assert self.got_invocation == match

    @rule(which=index, more=st.booleans())
    @precondition(lambda self: self.streams)
    def continue_call(self, which: int, more: bool) -> None:
        key = sorted(self.streams)[which % len(self.streams)]
        (peer,) = [peer for peer in self.peers if peer.id == key[0]]
        if not more:
            self.streams.discard(key)
        peer.send([48, key[1], {"progress": more}, self.open[key]])
        self.judge()

    @rule(who=index, which=index, options=st.sampled_from([{}, {}, {"progress": True}]), fails=st.booleans())
    def answer(self, who: int, which: int, options: dict[str, Any], fails: bool) -> None:
        """Answer any invocation that was ever sent, late ones included."""
        peer = self.some(who)
        if peer.id in self.invocations:
            invocation = self.invocations[peer.id] - which % min(3, self.invocations[peer.id])
            peer.send([8, 68, invocation, {}, "com.error"] if fails else [70, invocation, options])
            self.judge()

    @rule(which=index, mode=st.sampled_from(["skip", "kill", "killnowait"]))
    @precondition(lambda self: self.open)
    def cancel(self, which: int, mode: str) -> None:
        session, request = sorted(self.open)[which % len(self.open)]
        (peer,) = [peer for peer in self.peers if peer.id == session]
        peer.send([49, request, {"mode": mode}])
        self.judge()
        assert mode == "kill" or (session, request) not in self.open

    @rule(ms=st.sampled_from([10, 50, 200]))
    def time_passes(self, ms: int) -> None:
        self.router.advance(ms)
        self.judge()

    @rule(who=index, pattern=st.sampled_from(PATTERNS), get_retained=st.booleans())
    def subscribe(self, who: int, pattern: tuple[str, str], get_retained: bool) -> None:
        peer, request = self.some(who), self.some(who).next()
        peer.send([32, request, {"match": pattern[0], "get_retained": get_retained}, pattern[1]])
        answer = peer.take()
        if peer.details["authrole"] == "guest" and not pattern[1].startswith("com.open."):
            assert answer[:5] == [8, 32, request, {}, NOT_AUTHORIZED]
        else:
            assert answer[:2] == [33, request]
            self.subscriptions[peer.id, answer[2]] = pattern
        self.judge()

    @rule(which=index)
    @precondition(lambda self: self.subscriptions)
    def unsubscribe(self, which: int) -> None:
        session, subscription = sorted(self.subscriptions)[which % len(self.subscriptions)]
        (peer,) = [peer for peer in self.peers if peer.id == session]
        peer.send([34, peer.next(), subscription])
        del self.subscriptions[session, subscription]
        self.judge()

    @rule(
        who=index,
        topic=st.sampled_from([OPEN[0], OPEN[0], *URIS]),
        options=lists,
        exclude_me=flags,
        retain=flags,
    )
    def publish(self, who: int, topic: str, options: dict[str, Any], exclude_me: Any, retain: Any) -> None:
        peer = self.some(who)
        request = peer.next()
        payload = f"{peer.id}/{request}"
        for name in ("eligible", "exclude"):
            if name in options:
                options = {**options, name: [self.some(number).id for number in options[name]]}
        publication = Publication(topic, {**options, "exclude_me": exclude_me}, peer.id)
        matching = self.monitor.ask("wamp.subscription.match", topic) or []
        if peer.details["authrole"] != "guest" or topic in OPEN:
            ends = {end.id: end for end in self.peers}
            due = [(key, value) for key, value in self.subscriptions.items() if matches(*value, topic)]
            assert {subscription for (_, subscription), _ in due} == set(matching)
            self.expected = [(*key, payload) for key, _ in due if publication.admits(ends[key[0]])]
            if retain:
                self.retained[payload] = publication
        peer.send([16, request, {**options, "exclude_me": exclude_me, "retain": retain}, topic, [payload]])
        self.judge()

    @invariant()
    def the_monitor_is_told_nothing(self) -> None:
        if hasattr(self, "monitor"):
            self.monitor.expect_nothing()

    def teardown(self) -> None:
        if not hasattr(self, "router"):
            return
        for session, request in list(self.open):
            (peer,) = [peer for peer in self.peers if peer.id == session]
            peer.send([49, request, {"mode": "skip"}])
        self.judge()
        assert self.open == {}, "a call without a final reply"
        for peer in (*self.peers, self.monitor):
            peer.vanish()
        realm = self.router.realm
        assert realm.sessions == {}
        assert realm.broker.subscription_by_id == {}
        assert realm.dealer.registrations_by_policy() == {"exact": [], "prefix": [], "wildcard": []}
        assert realm.next_deadline() is None


TestRealm = RealmMachine.TestCase
TestRealm.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
