"""Registrations: WAMP AP 'Shared Registration', 'Pattern-based Registrations', 'Registration Meta API'."""

import pytest

from router.routing.matching import MAX_SHAPES
from router.routing.options import Refused
from router.routing.registrations import Registrations, announce_attached, announce_detached
from router.routing.session import Session
from router.wamp import uris

CREATED = "2024-02-29T12:00:00.000Z"


def first_number(n):
    return 0


def anyone(callee):
    return True


def shared(invoke, count):
    """Give a registration with the policy ``invoke`` and callees with the session ids 1..``count``."""
    registrations = Registrations(10)
    for number in range(1, count + 1):
        registration, _ = registrations.add(Session(number), "com.x", {"invoke": invoke}, CREATED)
    return registrations, registration


def picked(registration, times, eligible=anyone, randbelow=first_number):
    found = [registration.pick(eligible, randbelow) for _ in range(times)]
    return [callee and callee.id for callee in found]


def refusal(registrations, callee, procedure, options):
    with pytest.raises(Refused) as refused:
        registrations.add(callee, procedure, options, CREATED)
    return refused.value.error, refused.value.text


class TestPick:
    def test_single_and_first_take_the_first(self):
        assert picked(shared("single", 1)[1], 2) == [1, 1]
        assert picked(shared("first", 3)[1], 3) == [1, 1, 1]

    def test_last_takes_the_last(self):
        assert picked(shared("last", 3)[1], 3) == [3, 3, 3]

    def test_roundrobin_takes_one_after_the_other_and_starts_again(self):
        assert picked(shared("roundrobin", 3)[1], 7) == [1, 2, 3, 1, 2, 3, 1]

    def test_random_takes_what_is_drawn(self):
        """The number drawn is an index into all callees, in the order of registration."""
        drawn, asked = iter([2, 0, 1]), []

        def randbelow(n):
            asked.append(n)
            return next(drawn)

        assert picked(shared("random", 3)[1], 3, randbelow=randbelow) == [3, 1, 2]
        assert asked == [3, 3, 3]

    @pytest.mark.parametrize(
        ("invoke", "expected"),
        [("first", [2, 2, 2]), ("last", [4, 4, 4]), ("roundrobin", [2, 4, 2]), ("random", [2, 2, 2])],
    )
    def test_those_that_are_not_eligible_are_passed_over(self, invoke, expected):
        assert picked(shared(invoke, 4)[1], 3, eligible=lambda callee: callee.id in (2, 4)) == expected

    @pytest.mark.parametrize("invoke", ["single", "first", "last", "roundrobin", "random"])
    def test_nobody_is_eligible(self, invoke):
        assert picked(shared(invoke, 1)[1], 1, eligible=lambda callee: False) == [None]

    @pytest.mark.parametrize(
        ("leaving", "expected"),
        [(1, [3, 4, 2, 3]), (2, [3, 4, 1, 3]), (3, [4, 1, 2, 4]), (4, [3, 1, 2, 3])],
    )
    def test_roundrobin_goes_on_with_whose_turn_it_was(self, leaving, expected):
        """Whoever leaves, nobody is called twice or passed over for it."""
        registrations, registration = shared("roundrobin", 4)
        assert picked(registration, 2) == [1, 2]

        registrations.remove(registration, registration.callees[leaving - 1])

        assert picked(registration, 4) == expected

    def test_roundrobin_starts_again_when_the_last_leaves_at_its_turn(self):
        registrations, registration = shared("roundrobin", 3)
        picked(registration, 2)

        registrations.remove(registration, registration.callees[2])

        assert picked(registration, 2) == [1, 2]


class TestAdd:
    def test_the_first_callee_creates_and_others_join(self):
        registrations = Registrations(10)
        first, second = Session(1), Session(2)

        registration, created = registrations.add(first, "com.x", {"invoke": "last"}, CREATED)
        joined, created_again = registrations.add(second, "com.x", {"invoke": "last"}, "later")

        assert (created, created_again) == (True, False)
        assert joined is registration
        assert registration.callees == [first, second]
        assert first.registrations == second.registrations == {1: registration}
        assert registration.details() == {
            "id": 1,
            "created": CREATED,
            "uri": "com.x",
            "match": "exact",
            "invoke": "last",
        }

    def test_sole_is_the_only_callee(self):
        registrations, registration = shared("first", 1)
        (first,) = registration.callees
        second = Session(2)
        assert registration.sole is first

        registrations.add(second, "com.x", {"invoke": "first"}, CREATED)
        assert registration.sole is None

        registrations.remove(registration, first)
        assert registration.sole is second

        registrations.remove(registration, second)
        assert registration.sole is None

    def test_match_policies_are_separate(self):
        registrations = Registrations(10)
        callee = Session(1)

        ids = [
            registrations.add(callee, "com.x", {"match": match}, CREATED)[0].id
            for match in ("wildcard", "exact", "prefix")
        ]

        assert ids == [1, 2, 3]
        assert registrations.ids_by_policy() == {"exact": [2], "prefix": [3], "wildcard": [1]}

    @pytest.mark.parametrize(
        ("first", "second", "text"),
        [
            ({}, {}, "'com.x' is registered with invoke=single: it takes no other callee"),
            ({}, {"invoke": "first"}, "'com.x' is registered with invoke=single: it takes no other callee"),
            ({"invoke": "first"}, {}, "'com.x' is registered with invoke=first, not single"),
            ({"invoke": "first"}, {"invoke": "last"}, "'com.x' is registered with invoke=first, not last"),
        ],
    )
    def test_a_policy_that_does_not_match_is_refused(self, first, second, text):
        """'the Dealer MUST fail all subsequent attempts' ... (WAMP AP 'Shared Registration')."""
        registrations = Registrations(10)
        registration, _ = registrations.add(Session(1), "com.x", first, CREATED)
        late = Session(2)

        assert refusal(registrations, late, "com.x", second) == (uris.PROCEDURE_ALREADY_EXISTS, text)
        assert len(registration.callees) == 1
        assert late.registrations == {}

    def test_a_callee_joins_once(self):
        registrations, registration = shared("roundrobin", 2)

        assert refusal(registrations, registration.callees[0], "com.x", {"invoke": "roundrobin"}) == (
            uris.PROCEDURE_ALREADY_EXISTS,
            "this session already registered 'com.x'",
        )
        assert len(registration.callees) == 2

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"match": "regex"}, "match='regex' is none of exact, prefix, wildcard"),
            ({"invoke": "all"}, "invoke='all' is none of single, first, last, roundrobin, random"),
            ({"forward_timeout": "yes"}, "forward_timeout='yes' is neither true nor false"),
        ],
    )
    def test_a_bad_option_is_refused(self, options, text):
        registrations = Registrations(10)
        assert refusal(registrations, Session(1), "com.x", options) == (uris.INVALID_ARGUMENT, text)
        assert len(registrations) == 0

    def test_the_limit_of_a_session_holds_for_new_and_joined_ones(self):
        registrations = Registrations(2)
        registrations.add(Session(1), "com.shared", {"invoke": "first"}, CREATED)
        callee = Session(2)
        registrations.add(callee, "com.a", {}, CREATED)
        registrations.add(callee, "com.b", {}, CREATED)
        expected = (uris.LIMIT_EXCEEDED, "limit registrations_per_session=2 is reached")

        assert refusal(registrations, callee, "com.c", {}) == expected
        assert refusal(registrations, callee, "com.shared", {"invoke": "first"}) == expected
        assert len(registrations) == 3

    def test_the_shapes_of_wildcards_are_limited_and_nothing_is_left_behind(self):
        registrations = Registrations(1000)
        callee = Session(1)
        shapes = [
            ".".join("" if number >> bit & 1 else "x" for bit in range(8)) for number in range(MAX_SHAPES + 1)
        ]
        for pattern in shapes[:-1]:
            registrations.add(callee, pattern, {"match": "wildcard"}, CREATED)

        error, text = refusal(registrations, callee, shapes[-1], {"match": "wildcard"})

        assert error == uris.LIMIT_EXCEEDED
        assert str(MAX_SHAPES) in text
        assert len(registrations) == len(callee.registrations) == MAX_SHAPES
        assert registrations.add(callee, "com.x", {}, CREATED)[0].id == MAX_SHAPES + 1


class TestRemove:
    def test_the_last_one_out_deletes_it(self):
        registrations, registration = shared("first", 2)
        first, second = registration.callees

        assert registrations.remove(registration, first) is False
        assert registrations.get(1) is registration
        assert registrations.remove(registration, second) is True
        assert registrations.get(1) is None
        assert registrations.table.best("com.x") is None
        assert first.registrations == second.registrations == {}

    def test_a_callee_takes_its_forward_timeout_along(self):
        registrations = Registrations(10)
        forwarding, plain = Session(1), Session(2)
        options = {"invoke": "first", "forward_timeout": True}
        registration, _ = registrations.add(forwarding, "com.x", options, CREATED)
        registrations.add(plain, "com.x", {"invoke": "first"}, CREATED)
        assert registration.forwards_timeout == {forwarding}

        registrations.remove(registration, forwarding)

        assert registration.forwards_timeout == set()

    def test_ids_are_never_used_again(self):
        registrations, registration = shared("single", 1)
        registrations.remove(registration, registration.callees[0])

        assert registrations.add(Session(9), "com.x", {}, CREATED)[0].id == 2


class TestAnnouncements:
    def test_on_create_then_on_register(self):
        _, registration = shared("first", 1)

        told = announce_attached(registration, registration.callees[0], created=True)

        assert [(told.topic, told.args) for told in told] == [
            ("wamp.registration.on_create", [1, registration.details()]),
            ("wamp.registration.on_register", [1, 1]),
        ]
        (joined,) = announce_attached(registration, registration.callees[0], created=False)
        assert joined.topic == "wamp.registration.on_register"

    def test_on_unregister_then_on_delete(self):
        _, registration = shared("first", 1)

        told = announce_detached(registration, Session(7), gone=True)

        assert [(told.topic, told.args) for told in told] == [
            ("wamp.registration.on_unregister", [7, 1]),
            ("wamp.registration.on_delete", [7, 1]),
        ]
        (left,) = announce_detached(registration, Session(7), gone=False)
        assert left.topic == "wamp.registration.on_unregister"
