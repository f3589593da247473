"""Choosing a callee for a call: room, features, shards, and callees that have declined."""

import pytest

from router.routing.options import Refused
from router.routing.placing import place, read_call
from router.routing.registrations import Registrations
from router.routing.session import Session
from router.wamp import uris
from router.wamp.messages import Call

PROGRESSIVE = ("callee.progressive_call_invocations", "callee.call_canceling")
PASSTHRU = ("callee.payload_passthru_mode",)


def registration_of(*callees, invoke="first", match="exact", **more):
    registrations = Registrations(10)
    for callee in callees:
        options = {"invoke": invoke, "match": match, **more.get(f"of_{callee.id}", {})}
        registration, _ = registrations.add(callee, "com.x", options, "2024-01-01")
    return registration


def busy(callee, count):
    callee.invocations.update(dict.fromkeys(range(1, count + 1)))
    return callee


def asked_of(registration, progressive=False, passthru_mode=False, **options):
    if progressive:
        options["progress"] = True
    if passthru_mode:
        options["ppt_scheme"] = "x"
    return read_call(Session(9), Call(1, options, "com.x"), registration, None, None, 0.0)


def pick(registration, max_invocations=5, **options):
    return place(asked_of(registration, **options), lambda n: 0, max_invocations)


class TestPlace:
    def test_the_first_with_room(self):
        full, free = busy(Session(1), 5), busy(Session(2), 4)

        assert pick(registration_of(full, free)) is free

    @pytest.mark.parametrize(
        ("feature", "features"),
        [("progressive", PROGRESSIVE), ("passthru_mode", PASSTHRU)],
    )
    def test_the_first_that_announced_what_the_call_needs(self, feature, features):
        plain, capable = Session(1), Session(2, features=features)

        registration = registration_of(plain, capable)

        assert pick(registration) is plain
        assert pick(registration, **{feature: True}) is capable

    def test_all_that_could_are_full(self):
        registration = registration_of(Session(1), busy(Session(2, features=PROGRESSIVE), 5))

        with pytest.raises(Refused) as refused:
            pick(registration, progressive=True)

        assert refused.value.error == uris.LIMIT_EXCEEDED
        assert refused.value.text == (
            "each callee of 'com.x' is at its limit pending_invocations_per_session=5"
        )

    @pytest.mark.parametrize(
        ("needs", "announced", "text"),
        [
            ({"progressive": True}, PASSTHRU, "progressive_call_invocations and call_canceling"),
            ({"progressive": True}, PROGRESSIVE[:1], "progressive_call_invocations and call_canceling"),
            ({"passthru_mode": True}, PROGRESSIVE, "payload_passthru_mode"),
            (
                {"progressive": True, "passthru_mode": True},
                PROGRESSIVE,
                "progressive_call_invocations and call_canceling and payload_passthru_mode",
            ),
        ],
    )
    def test_none_announced_what_the_call_needs(self, needs, announced, text):
        with pytest.raises(Refused) as refused:
            pick(registration_of(Session(1, features=announced)), **needs)

        assert refused.value.error == uris.FEATURE_NOT_SUPPORTED
        assert refused.value.text == f"no callee of 'com.x' announced {text}"

    def test_one_without_room_of_its_own_waits(self):
        bounded = Session(1)
        registration = registration_of(bounded, of_1={"concurrency": 1})
        assert pick(registration) is bounded
        registration.occupy(bounded)
        assert pick(registration) is None
        registration.release(bounded)
        assert pick(registration) is bounded

    def test_one_that_takes_any_number_is_not_waited_for(self):
        bounded, full = Session(1), busy(Session(2), 5)
        registration = registration_of(full, of_1={"concurrency": 1})
        with pytest.raises(Refused) as refused:
            pick(registration)
        assert refused.value.error == uris.LIMIT_EXCEEDED
        assert bounded not in registration.callees

    def test_not_one_that_declined(self):
        first, second = Session(1), Session(2)
        registration = registration_of(first, second)
        asked = asked_of(registration)
        asked.declined |= {first.id}
        assert place(asked, lambda n: 0, 5) is second
        asked.declined |= {second.id}
        with pytest.raises(Refused) as refused:
            place(asked, lambda n: 0, 5)
        assert refused.value.error == uris.NO_AVAILABLE_CALLEE


class TestShards:
    def test_the_one_that_holds_it(self):
        callees = [Session(n) for n in (1, 2, 3)]
        keys = {f"of_{n}": {"rkey": key} for n, key in ((1, "a-m"), (2, "n-z"), (3, "n-z"))}
        registration = registration_of(*callees, invoke="roundrobin", **keys)
        found = [pick(registration, runmode="partition", rkey="n-z").id for _ in range(4)]
        assert found == [2, 3, 2, 3]
        assert pick(registration, runmode="partition", rkey="a-m").id == 1

    def test_nobody_holds_it(self):
        registration = registration_of(Session(1), of_1={"rkey": "a-m"})
        with pytest.raises(Refused) as refused:
            pick(registration, runmode="partition", rkey="n-z")
        assert refused.value.error == uris.NO_AVAILABLE_CALLEE
        assert refused.value.text == "no callee of 'com.x' holds the shard 'n-z'"

    def test_keys_are_spread_and_stay(self):
        """Where nobody names a shard: the same key the same callee, and few move when one leaves."""
        callees = [Session(n * 7919) for n in range(1, 6)]
        registration = registration_of(*callees)
        keys = [f"customer-{n}" for n in range(500)]

        def chosen():
            return {key: pick(registration, runmode="partition", rkey=key) for key in keys}

        before = chosen()
        assert chosen() == before
        for callee in callees:
            assert 50 < sum(one is callee for one in before.values()) < 150
        registration.detach(callees[2])
        after = chosen()
        assert {key for key in keys if after[key] is not before[key]} == {
            key for key in keys if before[key] is callees[2]
        }

    @pytest.mark.parametrize(
        "options",
        [
            {"runmode": "partition"},
            {"rkey": "a"},
            {"runmode": "all", "rkey": "a"},
            {"runmode": "partition", "rkey": ""},
            {"runmode": "partition", "rkey": 7},
        ],
    )
    def test_bad_options(self, options):
        with pytest.raises(Refused) as refused:
            asked_of(registration_of(Session(1)), **options)
        assert refused.value.error == uris.INVALID_ARGUMENT

    @pytest.mark.parametrize(
        "options",
        [
            {"rkey": ""},
            {"rkey": 7},
            {"rkey": "x" * 257},
            {"rkey": "a", "invoke": "single"},
            {"concurrency": -1},
            {"concurrency": "many"},
            {"concurrency": 1.5},
        ],
    )
    def test_bad_options_of_a_registration(self, options):
        with pytest.raises(Refused) as refused:
            registration_of(Session(1), of_1=options)
        assert refused.value.error == uris.INVALID_ARGUMENT
