"""
Whatever authorizers answer, and when: requests are answered once and in order, and nothing forbidden happens.

The oracle takes one request after the other; the router holds them while a question is open.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from wire_router import CONFIG, WireRouter

from realms.authorization.config import Authorization
from realms.config import Permission, RoleConfig

AUTHORIZE = "com.example.authorize"
TIMEOUT_MS = 100
USER = RoleConfig(
    permissions=(Permission(uri="com.free", allow=("publish",)), Permission(uri="com.never", allow=())),
    authorizer=AUTHORIZE,
    authorization=Authorization(timeout_ms=TIMEOUT_MS, ttl_ms=1_000_000),
)
REFUSED = "wamp.error.not_authorized"
FAILED = "wamp.error.authorization_failed"

topics = st.sampled_from(["com.free", "com.never", "com.asked.a", "com.asked.b"])
# What the authorizer does with the next question: an answer, and whether it comes in time
answers = st.one_of(
    st.booleans(),
    st.builds(lambda allow: {"allow": allow, "cache": "session"}, st.booleans()),
    st.builds(lambda allow: {"allow": allow, "cache": "role"}, st.booleans()),
    st.sampled_from([None, "nonsense", "late"]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from([0, 1]), topics),
        st.tuples(st.just("answer"), answers),
        st.tuples(st.just("purge")),
        st.tuples(st.just("leave"), st.sampled_from([0, 1])),
    ),
    max_size=40,
)


class Play:
    """Two sessions of one role, one subscriber of everything, and an authorizer that is played."""

    def __init__(self) -> None:
        self.router = WireRouter(config=structs.replace(CONFIG, roles={**CONFIG.roles, "user": USER}))
        self.authorizer = self.router.join(without=["callee.call_canceling"])
        self.authorizer.register(AUTHORIZE)
        self.subscriber = self.router.join()
        self.subscriber.subscribe("com.", match="prefix")
        self.askers: list[Any] = [self.router.join("alice"), self.router.join("bob")]
        self.sent: list[list[tuple[int, str]]] = [[], []]  # by asker: request, topic

    def publish(self, asker: int, topic: str) -> None:
        peer = self.askers[asker]
        if peer is None:
            return
        request = peer.next()
        self.sent[asker].append((request, topic))
        peer.send([16, request, {"acknowledge": True}, topic, [peer.id, request]])

    def answer(self, what: Any) -> None:
        if not self.authorizer.inbox:
            return
        request = self.authorizer.take()[1]
        if what == "late":
            self.router.advance(TIMEOUT_MS + 1)
        self.authorizer.send([70, request, {}, [what]])

    def leave(self, asker: int) -> None:
        if self.askers[asker] is not None:
            self.askers[asker].vanish()
            self.askers[asker].drain()
            self.askers[asker] = None

    def finish(self) -> None:
        """Answer whatever is still asked."""
        while self.authorizer.inbox:
            self.answer(True)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_requests_are_answered_once_and_in_order(script: list[Any]) -> None:
    play = Play()
    acts: dict[str, Any] = {
        "publish": play.publish,
        "answer": play.answer,
        "purge": lambda: play.router.realm.authorizers.purge(),
        "leave": play.leave,
    }
    for name, *rest in script:
        acts[name](*rest)
    play.finish()

    events = [message[4] for message in play.subscriber.drain()]
    for asker, sent in enumerate(play.sent):
        peer = play.askers[asker]
        if peer is None:
            continue
        told = peer.drain()
        assert peer.reads, "a session waits although nothing is asked"
        assert [message[1] if message[0] == 17 else message[2] for message in told] == [r for r, _ in sent]
        published = []
        for (request, topic), message in zip(sent, told, strict=True):
            if message[0] == 17:
                assert topic != "com.never"
                published.append([peer.id, request])
            else:
                assert message[:2] == [8, 16]
                assert topic != "com.free"
                assert message[4] in ((REFUSED, FAILED) if topic.startswith("com.asked") else (REFUSED,))
        assert [event for event in events if event[0] == peer.id] == published
    assert len(play.router.realm.router_calls) == 0
    play.router.check()


@settings(max_examples=100, deadline=None)
@given(st.lists(answers, min_size=1, max_size=12), st.integers(0, 11))
def test_nothing_but_a_yes_allows(said: list[Any], repeat: int) -> None:
    """Each event that is published was allowed: by its own answer, or by one that was to be remembered."""
    play = Play()
    remembered: dict[str, bool] = {}
    for number, what in enumerate(said):
        topic = "com.asked.a" if number % (repeat + 1) else "com.asked.b"
        play.publish(0, topic)
        was_asked = bool(play.authorizer.inbox)
        play.answer(what)
        code, *answer = play.askers[0].take()
        if was_asked:
            allowed = what is True or (isinstance(what, dict) and what["allow"])
            if isinstance(what, dict):
                remembered[topic] = allowed
        else:
            allowed = remembered[topic]
        assert (code == 17) is allowed, (what, answer)
    play.subscriber.drain()
    play.router.check()
