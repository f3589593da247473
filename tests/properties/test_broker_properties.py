"""The broker under random histories: an event reaches those it may reach, and nothing is left behind."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.routing.broker import Broker, BrokerLimits
from router.routing.outputs import Delivery
from router.routing.session import Session
from router.wamp.messages import Event, Publish, Subscribe, Subscribed, Unsubscribe

AUTHIDS = ("alice", "bob")
ROLES = ("staff", "guest")
TOPICS = ("a.b", "a.b.c", "a.bc")
PATTERNS = (
    *(("exact", topic) for topic in TOPICS),
    *(("prefix", prefix) for prefix in ("", "a.b")),
    *(("wildcard", pattern) for pattern in ("a.", ".b")),
)


def matches(match, pattern, topic):
    if match == "exact":
        return pattern == topic
    if match == "prefix":
        return topic.startswith(pattern)
    ours, theirs = pattern.split("."), topic.split(".")
    return len(ours) == len(theirs) and all(a in ("", b) for a, b in zip(ours, theirs, strict=True))


def may_receive(publisher, session, options):
    """Tell it in the words of WAMP AP 'Subscriber Black- and Whitelisting' and 'Publisher Exclusion'."""
    return (
        (options.get("exclude_me") is False or session is not publisher)
        and ("eligible" not in options or session.id in options["eligible"])
        and ("eligible_authid" not in options or session.authid in options["eligible_authid"])
        and ("eligible_authrole" not in options or session.authrole in options["eligible_authrole"])
        and ("exclude" not in options or session.id not in options["exclude"])
        and ("exclude_authid" not in options or session.authid not in options["exclude_authid"])
        and ("exclude_authrole" not in options or session.authrole not in options["exclude_authrole"])
    )


ids = st.lists(st.integers(1, 5), max_size=4)
authids = st.lists(st.sampled_from(AUTHIDS), max_size=1)
roles = st.lists(st.sampled_from(ROLES), max_size=1)
one_option = st.one_of(
    st.tuples(st.just("acknowledge"), st.booleans()),
    st.tuples(st.just("exclude_me"), st.booleans()),
    st.tuples(st.sampled_from(["eligible", "exclude", "exclude"]), ids),
    st.tuples(st.sampled_from(["eligible_authid", "exclude_authid"]), authids),
    st.tuples(st.sampled_from(["eligible_authrole", "exclude_authrole"]), roles),
)
options_of_publish = st.builds(
    lambda chosen, retain: {**dict(chosen), **({"retain": True} if retain else {})},
    st.lists(one_option, max_size=2),
    st.booleans(),
)


class BrokerHistory(RuleBasedStateMachine):
    """Random sessions subscribe, publish and leave; the model is what each of them asked for."""

    def __init__(self):
        super().__init__()
        self.broker = Broker(limits=BrokerLimits(retained_events=6))
        self.wanted = {}  # Session -> {(match, pattern): subscription id}
        self.left = []
        self.published = {}  # publication id -> (publisher, options, topic), of all that were to be retained
        self.confirmed = set()  # (session id, subscription id) of every SUBSCRIBED sent
        self.last_id = 0
        self.patterns = PATTERNS
        for authid, role in product(AUTHIDS, ROLES):
            self.join(authid, role)

    def session(self, data):
        return data.draw(st.sampled_from(list(self.wanted)), label="session")

    def sent(self, outputs):
        """Check the order of what is sent: SUBSCRIBED before any EVENT of that subscription."""
        for output in outputs:
            if isinstance(output, Delivery):
                for session in output.recipients:
                    assert session not in self.left
                    if isinstance(output.message, Subscribed):
                        self.confirmed.add((session.id, output.message.subscription))
                    elif isinstance(output.message, Event):
                        assert (session.id, output.message.subscription) in self.confirmed
        return outputs

    def join(self, authid, role):
        self.last_id += 1
        self.wanted[Session(self.last_id, authid, role)] = {}

    @initialize(exact_only=st.booleans())
    def choose_patterns(self, exact_only):
        """Without any pattern, events take another way through the broker."""
        self.patterns = PATTERNS[: len(TOPICS)] if exact_only else PATTERNS

    @rule(data=st.data(), get_retained=st.booleans())
    def subscribe(self, data, get_retained):
        session = self.session(data)
        pattern = match, topic = data.draw(st.sampled_from(self.patterns), label="pattern")
        msg = Subscribe(1, {"match": match, "get_retained": get_retained}, topic)
        outputs = self.sent(self.broker.subscribe(session, msg, "now"))
        self.wanted[session][pattern] = outputs[0].message.subscription
        for output in outputs[1:]:
            if isinstance(output, Delivery):
                publisher, options, published_to = self.published[output.message.publication]
                assert get_retained
                assert may_receive(publisher, session, options)
                assert matches(match, topic, published_to)

    @precondition(lambda self: any(self.wanted.values()))
    @rule(data=st.data())
    def unsubscribe(self, data):
        session = data.draw(st.sampled_from([session for session, held in self.wanted.items() if held]))
        pattern = data.draw(st.sampled_from(list(self.wanted[session])))
        subscription = self.wanted[session].pop(pattern)
        self.sent(self.broker.unsubscribe(session, Unsubscribe(1, subscription)))
        self.confirmed.discard((session.id, subscription))

    @precondition(lambda self: any(self.wanted.values()))
    @rule(data=st.data(), everybody=st.booleans())
    def revoke(self, data, everybody):
        """The router takes a subscription from one session, or from all."""
        session = data.draw(st.sampled_from([session for session, held in self.wanted.items() if held]))
        pattern = data.draw(st.sampled_from(list(self.wanted[session])))
        subscription = self.wanted[session][pattern]
        holders = [each for each, held in self.wanted.items() if subscription in held.values()]
        concerned = holders if everybody else [session]
        outputs = self.broker.revoke(subscription, None if everybody else session, "why")
        told = [output.args for output in outputs if output.topic == "wamp.subscription.on_unsubscribe"]
        assert sorted(told) == sorted([each.id, subscription] for each in concerned)
        for each in concerned:
            del self.wanted[each][pattern]
            self.confirmed.discard((each.id, subscription))

    @rule(data=st.data(), topic=st.sampled_from(TOPICS), options=options_of_publish)
    def publish(self, data, topic, options):
        publisher = self.session(data)
        publication = len(self.published) + 1
        self.published[publication] = (publisher, options, topic)
        expected_ids = sorted(
            {
                subscription
                for held in self.wanted.values()
                for (match, pattern), subscription in held.items()
                if matches(match, pattern, topic)
            }
        )
        assert sorted(self.broker.match(topic)) == expected_ids
        outputs = self.sent(self.broker.publish(publisher, Publish(1, options, topic), publication))
        if outputs and options.get("acknowledge") and outputs[0].message.CODE == 8:
            assert len(outputs) == 1
            assert options["retain"]
            return
        got = sorted(
            (session.id, output.message.subscription)
            for output in outputs
            if isinstance(output.message, Event)
            for session in output.recipients
        )
        expected = sorted(
            (session.id, subscription)
            for session, held in self.wanted.items()
            for (match, pattern), subscription in held.items()
            if matches(match, pattern, topic) and may_receive(publisher, session, options)
        )
        assert got == expected

    @rule(data=st.data())
    def leave(self, data):
        """One session leaves, and one like it joins."""
        session = self.session(data)
        held = self.wanted.pop(session)
        self.left.append(session)
        outputs = self.broker.leave(session)
        told = [output.args for output in outputs if output.topic == "wamp.subscription.on_unsubscribe"]
        assert sorted(told) == sorted([session.id, subscription] for subscription in held.values())
        assert session.subscriptions == {}
        self.join(session.authid, session.authrole)

    @invariant()
    def the_tables_hold_what_was_asked_for_and_nothing_else(self):
        expected = {}
        for session, held in self.wanted.items():
            assert sorted(session.subscriptions) == sorted(held.values())
            for (match, pattern), subscription in held.items():
                expected.setdefault(subscription, (match, pattern, set()))[2].add(session)
        actual = {}
        for number, subscription in self.broker.subscription_by_id.items():
            sessions = set(subscription.sessions.values())
            assert set(subscription.recipients) in (set(), sessions)
            actual[number] = (subscription.match, subscription.topic, sessions)
        assert actual == expected
        found = {number: self.broker.lookup(uri, match) for number, (match, uri, _) in expected.items()}
        assert found == {number: number for number in expected}


TestBrokerHistory = BrokerHistory.TestCase
TestBrokerHistory.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)


@given(
    options_of_publish, st.sampled_from(TOPICS), st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3)
)
@settings(max_examples=100)
def test_a_retained_event_reaches_exactly_those_that_the_event_would_have_reached(options, topic, patterns):
    """ "... that they would have received if they were subscribing when it was published" (WAMP AP)."""
    broker = Broker(limits=BrokerLimits())
    people = product(AUTHIDS, ROLES)
    sessions = [Session(number, authid, role) for number, (authid, role) in enumerate(people, start=1)]
    publisher = sessions[0]
    broker.publish(publisher, Publish(1, {**options, "retain": True}, topic), 70)
    for session in sessions:
        for match, pattern in patterns:
            msg = Subscribe(1, {"match": match, "get_retained": True}, pattern)
            outputs = broker.subscribe(session, msg, "now")
            events = [output.message for output in outputs[1:] if isinstance(output, Delivery)]
            expected = matches(match, pattern, topic) and may_receive(publisher, session, options)
            assert [event.publication for event in events] == ([70] if expected else [])


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.sampled_from([0, 70]), st.none() | ids), max_size=20))
def test_what_is_retained_stays_within_its_bounds(publications):
    """Of all retained events that anybody can get, none is for others, and together they fit."""
    limits = BrokerLimits(retained_events=2, retained_bytes=130)
    broker = Broker(limits=limits)
    publisher = Session(99)
    for publication, (topic, size, eligible) in enumerate(publications, start=1):
        options = {"retain": True, "eligible": eligible}
        broker.publish(publisher, Publish(publication, options, topic, ["." * size]), publication)
    found = {}
    for number in range(1, 9):
        session = Session(number)
        outputs = broker.subscribe(
            session, Subscribe(1, {"match": "prefix", "get_retained": True}, ""), "now"
        )
        for output in outputs[1:]:
            if isinstance(output, Delivery):
                found[output.message.publication] = output.message
                eligible = publications[output.message.publication - 1][2]
                assert eligible is None or number in eligible
    assert len(found) <= limits.retained_events
    assert sum(len(str(event.args)) for event in found.values()) <= limits.retained_bytes
