"""Retained events and their bounds: WAMP AP 'Event Retention'."""

import pytest
from msgspec import Raw

from router.routing.publication import Audience, Publication
from router.routing.retention import RESTRICTED_PER_TOPIC, Retention, retained
from router.routing.session import Session

ALICE = Session(1, "alice", "manager")
BOB = Session(2, "bob", "staff")


def event(topic, publication, *, args=None, kwargs=None, options=None, **kept):
    return retained(Publication(topic, publication, {}, args, kwargs, **kept), options or {})


def only(*authids):
    return Audience(eligible_authid=frozenset(authids))


def latest(retention, topic, session):
    publication = retention.latest(topic, session)
    return None if publication is None else publication.id


@pytest.fixture
def retention():
    return Retention(max_events=100, max_bytes=10_000)


def test_the_last_event_of_a_topic_is_kept(retention):
    for publication in (10, 11, 12):
        retention.keep(event("a.b", publication))
    retention.keep(event("a.c", 13))
    assert (latest(retention, "a.b", BOB), latest(retention, "a.c", BOB)) == (12, 13)
    assert latest(retention, "a", BOB) is None
    assert retention.count == 2


def test_an_event_without_payload_is_kept_like_any_other(retention):
    retention.keep(event("a.b", 10, args=[1]))
    retention.keep(event("a.b", 11))
    publication = retention.latest("a.b", BOB)
    assert (publication.id, publication.args, publication.kwargs) == (11, None, None)


def test_restricted_events_stand_beside_the_one_for_everybody(retention):
    retention.keep(event("a.b", 10))
    retention.keep(event("a.b", 11, audience=only("alice")))
    assert (latest(retention, "a.b", ALICE), latest(retention, "a.b", BOB)) == (11, 10)
    retention.keep(event("a.b", 12, audience=only("alice")))
    assert (latest(retention, "a.b", ALICE), retention.count) == (12, 2)
    retention.keep(event("a.b", 13))
    assert (latest(retention, "a.b", ALICE), latest(retention, "a.b", BOB)) == (13, 13)
    assert retention.count == 1


def test_nobody_gets_an_event_that_was_not_for_him(retention):
    retention.keep(event("a.b", 10, audience=only("alice")))
    retention.keep(event("a.c", 10, excluded=BOB.id))
    assert (latest(retention, "a.b", BOB), latest(retention, "a.c", BOB)) == (None, None)
    assert (latest(retention, "a.b", ALICE), latest(retention, "a.c", ALICE)) == (10, 10)


def test_the_oldest_restricted_event_of_a_topic_gives_way(retention):
    retention.keep(event("a.b", 1))
    sessions = [Session(number, f"user{number}") for number in range(100, 101 + RESTRICTED_PER_TOPIC)]
    for session in sessions:
        retention.keep(event("a.b", session.id, audience=only(session.authid)))
    assert retention.count == 1 + RESTRICTED_PER_TOPIC
    expected = [1, *[session.id for session in sessions[1:]]]
    assert [latest(retention, "a.b", session) for session in sessions] == expected


def test_the_payload_is_copied():
    message = bytearray(b'[16,1,{},"a.b",["x"],{"k":1}]')
    args, kwargs = Raw(memoryview(message)[15:20]), Raw(memoryview(message)[21:28])
    kept = event("a.b", 10, args=args, kwargs=kwargs).publication
    message[:] = b"-" * len(message)
    assert (bytes(kept.args), bytes(kept.kwargs)) == (b'["x"]', b'{"k":1}')


def test_plain_values_are_copied_deeply():
    args = [{"a": [1]}]
    kept = event("a.b", 10, args=args).publication
    args[0]["a"].append(2)
    assert kept.args == [{"a": [1]}]


def test_what_is_kept_says_that_it_is_retained():
    kept = retained(Publication("a", 1, {"ppt_scheme": "mqtt"}, None, None, "cbor", only("x"), 5), {})
    expected = Publication("a", 1, {"ppt_scheme": "mqtt", "retained": True}, None, None, "cbor", only("x"), 5)
    assert kept.publication == expected


@pytest.mark.parametrize(
    ("args", "kwargs", "options", "expected"),
    [
        (None, None, {}, len("a.b") + len("{}")),
        (Raw(b'["x"]'), None, {}, len("a.b") + 5 + len("{}")),
        ([1], {"k": 2}, {}, len("a.b") + len("[1]") + len("{'k': 2}") + len("{}")),
        (None, None, {"eligible": [1, 2]}, len("a.b") + len("{'eligible': [1, 2]}")),
    ],
)
def test_size(args, kwargs, options, expected):
    assert event("a.b", 1, args=args, kwargs=kwargs, options=options).size_bytes == expected


def test_the_number_of_events_is_bounded():
    retention = Retention(max_events=2, max_bytes=10_000)
    for topic in ("a", "b"):
        fits = event(topic, 1)
        assert retention.refusal(fits) is None
        retention.keep(fits)
    assert retention.refusal(event("c", 2)) == "retained_events=2 is reached"
    assert retention.refusal(event("b", 2)) is None


def test_the_bytes_of_events_are_bounded_and_a_replaced_one_frees_its_own():
    retention = Retention(max_events=10, max_bytes=50)
    retention.keep(event("a", 1, args=Raw(b"." * 20)))
    retention.keep(event("b", 1, args=Raw(b"." * 20)))
    assert retention.size_bytes == 46
    assert retention.refusal(event("c", 2, args=Raw(b"." * 20))) == "retained_bytes=50 would be exceeded"
    larger = event("a", 2, args=Raw(b"." * 24))
    assert retention.refusal(larger) is None
    retention.keep(larger)
    assert retention.size_bytes == 50
    assert retention.refusal(event("a", 3, args=Raw(b"." * 25))) == "retained_bytes=50 would be exceeded"


def test_forgetting_what_would_have_been_replaced(retention):
    retention.keep(event("a.b", 10))
    retention.keep(event("a.b", 11, audience=only("alice")))
    retention.forget_superseded(event("a.b", 12, audience=only("alice")))
    assert (latest(retention, "a.b", ALICE), retention.count) == (10, 1)
    retention.forget_superseded(event("a.b", 13))
    assert (latest(retention, "a.b", ALICE), retention.count, retention.size_bytes) == (None, 0, 0)
    retention.forget_superseded(event("a.b", 14))
    assert (retention.count, retention.size_bytes) == (0, 0)


def test_a_pattern_gets_the_most_recent_topics_oldest_first(retention):
    for number, topic in enumerate(["com.a.x", "com.b.x", "com.c.y", "org.a.x", "com.a.x"]):
        retention.keep(event(topic, number))
    retention.keep(event("com.d.x", 9, audience=only("alice")))

    def matching(match, pattern, session, most=10):
        return [publication.id for publication in retention.matching(match, pattern, session, most)]

    assert matching("prefix", "com.", BOB) == [1, 2, 4]
    assert matching("prefix", "com.", ALICE) == [1, 2, 4, 9]
    assert matching("wildcard", "com..x", BOB) == [1, 4]
    assert matching("prefix", "com.", BOB, most=2) == [2, 4]
    assert matching("prefix", "net.", BOB) == []
