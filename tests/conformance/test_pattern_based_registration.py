"""WAMP AP 'Pattern-based Registrations': feature pattern_based_registration."""

import pytest
from wire_router import ANY

NO_SUCH_PROCEDURE = "wamp.error.no_such_procedure"


@pytest.fixture
def caller(router):
    return router.join()


@pytest.fixture
def callee(router):
    return router.join()


def called(caller, callee, procedure):
    """Call ``procedure``: give the registration that is invoked, ``None`` if none is, and its details."""
    request = caller.call(procedure)
    if not callee.inbox:
        caller.expect([8, 48, request, {}, NO_SUCH_PROCEDURE, ANY])
        return None, None
    code, invocation, registration, details = callee.take()
    assert code == 68
    callee.send([70, invocation, {}])
    caller.expect([50, request, {}])
    return registration, details


@pytest.mark.parametrize(
    ("procedure", "applies"),
    [
        ("com.myapp.myobject1.myprocedure1", True),
        ("com.myapp.myobject1-mysubobject1", True),
        ("com.myapp.myobject1.mysubobject1.myprocedure1", True),
        ("com.myapp.myobject1", True),
        ("com.myapp.myobject2", False),
        ("com.myapp.myobject", False),
    ],
)
def test_prefix_matching(caller, callee, procedure, applies):
    """'Prefix Matching', the section's examples: matching is by characters."""
    registration = callee.register("com.myapp.myobject1", match="prefix")
    assert called(caller, callee, procedure)[0] == (registration if applies else None)


@pytest.mark.parametrize(
    ("procedure", "applies"),
    [
        ("com.myapp.myobject1.myprocedure1", True),
        ("com.myapp.myobject2.myprocedure1", True),
        ("com.myapp.myobject1.myprocedure1.mysubprocedure1", False),
        ("com.myapp.myobject1.myprocedure2", False),
        ("com.myapp2.myobject1.myprocedure1", False),
        ("com.myapp.myprocedure1", False),
    ],
)
def test_wildcard_matching(caller, callee, procedure, applies):
    """'Wildcard Matching', the section's examples: a wildcard stands for one whole component."""
    registration = callee.register("com.myapp..myprocedure1", match="wildcard")
    assert called(caller, callee, procedure)[0] == (registration if applies else None)


@pytest.mark.parametrize(
    ("pattern", "procedure"),
    [(".x", "a.x"), ("x.", "x.a"), ("..", "a.b.c"), (".b.", "a.b.c"), ("a..c.", "a.b.c.d")],
)
def test_wildcards_at_the_ends(caller, callee, pattern, procedure):
    """'Wildcard Matching': any component may be empty."""
    registration = callee.register(pattern, match="wildcard")
    assert called(caller, callee, procedure)[0] == registration


@pytest.mark.parametrize("match", [{}, {"match": "exact"}, {"match": None}])
def test_exact_matching_is_the_default(caller, callee, match):
    """
    "By default, Callees register procedures with exact matching policy"; there is no Details.procedure
    then.
    """
    registration = callee.register("com.x", **match)
    assert called(caller, callee, "com.x") == (registration, {})
    assert called(caller, callee, "com.x.y") == (None, None)


@pytest.mark.parametrize(("match", "pattern"), [("prefix", "com.my"), ("wildcard", "com..proc1")])
def test_the_procedure_is_told(caller, callee, match, pattern):
    """
    "a Dealer MUST supply the original CALL.Procedure ... in INVOCATION.Details.procedure"
    """
    registration = callee.register(pattern, match=match)
    for procedure in ("com.myapp.proc1", "com.myobject.proc1"):
        assert called(caller, callee, procedure) == (registration, {"procedure": procedure})


def test_the_procedure_is_told_where_it_equals_the_pattern(caller, callee):
    """The policy counts, not the URI."""
    registration = callee.register("com.myapp", match="prefix")
    assert called(caller, callee, "com.myapp") == (registration, {"procedure": "com.myapp"})


@pytest.mark.parametrize(
    ("procedure", "expected"),
    [
        ("a1.b2.c3.d4.e55", 1),
        ("a1.b2.c3.d98.e74", 2),
        ("a1.b2.c3.d4.e325", 3),
        ("a1.b2.c55.d4.e5", 4),
        ("a1.b2.c77.d4.e5", 4),
        ("a1.b2.c88.d4.e5.f6.g7", 6),
        ("a1.b2.c88.d4.e9.f6.g7", 7),
        ("a2.b2.c2.d2.e2", None),
    ],
)
def test_precedence(caller, callee, procedure, expected):
    """'Calls matching multiple registrations', the section's example."""
    registrations = [
        callee.register("a1.b2.c3.d4.e55"),
        callee.register("a1.b2.c3", match="prefix"),
        callee.register("a1.b2.c3.d4", match="prefix"),
        callee.register("a1.b2..d4.e5", match="wildcard"),
        callee.register("a1.b2.c33..e5", match="wildcard"),
        callee.register("a1.b2..d4.e5..g7", match="wildcard"),
        callee.register("a1.b2..d4..f6.g7", match="wildcard"),
    ]
    registration = None if expected is None else registrations[expected - 1]
    assert called(caller, callee, procedure)[0] == registration


def test_the_longest_portion_before_the_first_wildcard(caller, callee):
    """
    The example's 'a1.b2.c33.d4.e5' without the prefix 'a1.b2.c3', which matches it by characters: "RPC 5
    has longer first portion".
    """
    callee.register("a1.b2..d4.e5", match="wildcard")
    better = callee.register("a1.b2.c33..e5", match="wildcard")
    assert called(caller, callee, "a1.b2.c33.d4.e5")[0] == better


def test_a_prefix_goes_before_a_wildcard(caller, callee):
    """'Calls matching multiple registrations': step 2 comes before step 3, whatever the lengths are."""
    prefix = callee.register("a1.b2.c3", match="prefix")
    callee.register("a1.b2.c33.d4.", match="wildcard")
    assert called(caller, callee, "a1.b2.c33.d4.e5")[0] == prefix


def test_the_order_of_registration_does_not_matter(router, caller):
    """'Calls matching multiple registrations': the algorithm knows the patterns alone."""
    patterns = [
        ("a.b.c", "exact"),
        ("a.b", "prefix"),
        ("a", "prefix"),
        ("a.b.", "wildcard"),
        (".b.c", "wildcard"),
    ]
    for order in (patterns, patterns[::-1]):
        callee = router.join()
        ids = {pattern: callee.register(pattern[0], match=pattern[1]) for pattern in order}
        for gone in patterns:
            assert called(caller, callee, "a.b.c")[0] == ids[gone]
            callee.send([66, callee.next(), ids[gone]])
            assert callee.take()[0] == 67
        assert called(caller, callee, "a.b.c")[0] is None


def test_patterns_of_one_uri_are_three_registrations(router, callee):
    """'No set semantics': "Each registration is separate." """
    ids = {callee.register("com.x", match=match) for match in ("exact", "prefix", "wildcard")}
    assert len(ids) == 3
    other = router.join()
    for match in ("exact", "prefix", "wildcard"):
        request = other.next()
        other.send([64, request, {"match": match}, "com.x"])
        other.expect([8, 64, request, {}, "wamp.error.procedure_already_exists", ANY])


def test_a_callee_cannot_unregister_a_part(caller, callee):
    """
    'No set semantics': "a Callee cannot register to a broad pattern, and then unregister from a subset".
    """
    broad = callee.register("com", match="prefix")
    narrow = callee.register("com.x")
    callee.send([66, callee.next(), narrow])
    assert callee.take()[0] == 67
    assert called(caller, callee, "com.x")[0] == broad


def test_the_shapes_of_wildcards_are_bounded(callee):
    """The cost of a call is bounded: a wildcard of one shape too many is refused, naming the limit."""
    answers = []
    for number in range(200):
        pattern = ".".join("x" if number >> bit & 1 else "" for bit in range(8))
        request = callee.next()
        callee.send([64, request, {"match": "wildcard"}, pattern])
        answers.append(callee.take())
    refused = [answer for answer in answers if answer[0] == 8]
    assert len(refused) == 200 - 128
    assert {answer[4] for answer in refused} == {"concord.error.limit_exceeded"}
    assert "128" in refused[0][5][0]
