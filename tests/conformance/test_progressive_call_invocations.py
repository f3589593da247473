"""WAMP AP 'Progressive Call Invocations': feature progressive_call_invocations."""

import pytest
from wire_router import ANY, text

CANCELED = "wamp.error.canceled"
VIOLATION = "wamp.error.protocol_violation"
NOT_SUPPORTED = "wamp.error.feature_not_supported"
PROGRESS = {"progress": True}


@pytest.fixture
def caller(router):
    return router.join()


@pytest.fixture
def callee(router):
    callee = router.join()
    callee.register("com.upload")
    return callee


def test_chunks(caller, callee):
    """
    "the same Request|id for every CALL and the Dealer must also use the same Request|id with every
    INVOCATION".
    """
    caller.send([48, 1, PROGRESS, "com.upload", [1]], [48, 1, PROGRESS, "com.upload", [2]])
    callee.expect_only([68, 1, ANY, PROGRESS, [1]], [68, 1, ANY, PROGRESS, [2]])
    caller.send([48, 1, {}, "com.upload", [3]])
    callee.expect_only([68, 1, ANY, {}, [3]])
    callee.send([70, 1, {}, ["done"]])
    caller.expect_only([50, 1, {}, ["done"]])


@pytest.mark.parametrize("last", [{}, {"progress": False}, {"progress": None}])
def test_the_last_chunk(caller, callee, last):
    """
    "end in a normal CALL without the "progress": true option, or explicitly set "progress": false".
    """
    caller.send([48, 1, PROGRESS, "com.upload"], [48, 1, last, "com.upload"])
    callee.expect_only([68, 1, ANY, PROGRESS], [68, 1, ANY, {}])


def test_other_calls_go_on_between_the_chunks(caller, callee):
    """'Verification of CALL Request IDs': 1, 2, 1 is "OK, continues CALL request #1"."""
    other = callee.register("com.other")
    caller.send([48, 1, PROGRESS, "com.upload"], [48, 2, {}, "com.other"], [48, 1, {}, "com.upload"])
    callee.expect_only([68, 1, ANY, PROGRESS], [68, 2, other, {}], [68, 1, ANY, {}])
    callee.send([70, 1, {}], [70, 2, {}])
    caller.expect_only([50, 1, {}], [50, 2, {}])


def test_the_caller_must_announce_it(router, callee):
    """
    "The Caller did not announce the progressive call invocations feature": a protocol error.
    """
    caller = router.join(without=("caller.progressive_call_invocations",))
    caller.call("com.upload", progress=True)
    caller.expect_abort(VIOLATION, text("progressive_call_invocations"))
    callee.expect_nothing()


def test_the_caller_must_announce_it_also_for_the_routers_own_procedures(router):
    """The same where the router itself would answer."""
    caller = router.join(without=("caller.progressive_call_invocations",))
    caller.call("wamp.session.count", progress=True)
    caller.expect_abort(VIOLATION, text("progressive_call_invocations"))


@pytest.mark.parametrize("without", ["callee.progressive_call_invocations", "callee.call_canceling"])
def test_the_callee_must_support_it(router, caller, without):
    """
    "does not support progressive call invocations or call cancelling ... wamp.error.feature_not_supported".
    """
    callee = router.join(without=(without,))
    callee.register("com.upload")
    request = caller.call("com.upload", progress=True)
    caller.expect([8, 48, request, {}, NOT_SUPPORTED, ANY])
    callee.expect_nothing()


def test_the_routers_own_procedures_do_not_support_it(caller):
    """
    "the Dealer MUST respond to the Caller with an wamp.error.feature_not_supported error message".
    """
    request = caller.call("wamp.session.count", progress=True)
    caller.expect([8, 48, request, {}, NOT_SUPPORTED, ANY])
    caller.send([48, request, {}, "wamp.session.count"])
    caller.expect_nothing()


@pytest.mark.parametrize("invoke", ["roundrobin", "random", "first", "last"])
def test_all_chunks_go_to_one_callee(router, caller, invoke):
    """
    "a first INVOCATION based on <invocation_policy> and then route all subsequent progressive calls to the
    same".
    """
    callees = [router.join() for _ in range(3)]
    for callee in callees:
        callee.register("com.shared", invoke=invoke)
    router.draws = [1, 0, 2]
    chosen = callees[{"roundrobin": 0, "random": 1, "first": 0, "last": 2}[invoke]]
    caller.send(*([48, 1, PROGRESS, "com.shared", [n]] for n in range(3)), [48, 1, {}, "com.shared", [3]])
    chosen.expect_only(*[[68, 1, ANY, PROGRESS, [n]] for n in range(3)], [68, 1, ANY, {}, [3]])


def test_a_callee_that_supports_it_is_chosen(router, caller):
    """'Shared Registration' with callees of different features: one that can take the call gets it."""
    cannot = router.join(without=("callee.progressive_call_invocations",))
    cannot.register("com.shared", invoke="roundrobin")
    can = router.join()
    can.register("com.shared", invoke="roundrobin")
    caller.call("com.shared", progress=True)
    can.expect([68, 1, ANY, PROGRESS])


def test_caller_leaves(caller, callee):
    """'Caller Leaving': "an INTERRUPT to the Callee with mode="killnowait""."""
    caller.send([48, 1, PROGRESS, "com.upload"])
    caller.vanish()
    callee.expect_only([68, 1, ANY, PROGRESS], [69, 1, {"mode": "killnowait", "reason": CANCELED}])
    callee.send([70, 1, {}])
    callee.expect_nothing()


def test_callee_leaves(caller, callee):
    """
    'Callee Leaving': "an ERROR message to the Caller with the wamp.error.canceled URI"; later chunks are
    dropped.
    """
    caller.send([48, 1, PROGRESS, "com.upload"])
    callee.expect([68, 1, ANY, PROGRESS])
    callee.vanish()
    caller.expect([8, 48, 1, {}, CANCELED, ANY])
    caller.send([48, 1, PROGRESS, "com.upload"], [48, 1, {}, "com.upload"])
    caller.expect_nothing()


@pytest.mark.parametrize("end", [[70, 1, {}, ["enough"]], [8, 68, 1, {}, "com.error.full", ["enough"]]])
def test_continuations_on_a_completed_call(caller, callee, end):
    """
    "it MUST ignore and discard that CALL message without any further correlated response to the Caller".
    """
    caller.send([48, 1, PROGRESS, "com.upload", [1]])
    callee.expect([68, 1, ANY, PROGRESS, [1]])
    callee.send(end)
    caller.expect([50, 1, {}, ["enough"]] if end[0] == 70 else [8, 48, 1, {}, "com.error.full", ["enough"]])
    caller.send([48, 1, PROGRESS, "com.upload", [2]], [48, 1, {}, "com.upload", [3]])
    caller.expect_nothing()
    callee.expect_nothing()
    assert caller.connection.session is not None


@pytest.mark.parametrize(
    "error",
    [
        ("com.nowhere", {}, "wamp.error.no_such_procedure"),
        ("com.upload", {"timeout": -1}, "wamp.error.invalid_argument"),
    ],
)
def test_continuations_of_a_call_that_failed_at_once(caller, callee, error):
    """The Caller may have sent more before it learned of the ERROR: one reply, the rest is dropped."""
    procedure, options, uri = error
    caller.send(
        [48, 1, {**PROGRESS, **options}, procedure], [48, 1, PROGRESS, procedure], [48, 1, {}, procedure]
    )
    caller.expect_only([8, 48, 1, {}, uri, ANY])
    callee.expect_nothing()


def test_a_call_that_is_not_progressive_takes_no_more(caller, callee):
    """'Verification of CALL Request IDs': not record.is_progressive_invocation_call(): abort_session()."""
    caller.send([48, 1, {}, "com.upload"])
    callee.expect([68, 1, ANY, {}])
    caller.send([48, 1, {}, "com.upload"])
    caller.expect_abort(VIOLATION)
    callee.expect([69, 1, {"mode": "killnowait", "reason": CANCELED}])


def test_nothing_after_the_last_chunk(caller, callee):
    """
    The CALL without progress ended the input: a further one is a protocol error while the call is pending.
    """
    caller.send([48, 1, PROGRESS, "com.upload"], [48, 1, {}, "com.upload"])
    callee.expect([68, 1, ANY, PROGRESS], [68, 1, ANY, {}])
    caller.send([48, 1, {}, "com.upload"])
    caller.expect_abort(VIOLATION)
    callee.expect([69, 1, ANY])


def test_a_continuation_names_the_same_procedure(caller, callee):
    """'Verification of CALL Request IDs': active_call_records.contains(request_id, procedure_uri)."""
    callee.register("com.other")
    caller.send([48, 1, PROGRESS, "com.upload"])
    callee.expect([68, 1, ANY, PROGRESS])
    caller.send([48, 1, PROGRESS, "com.other"])
    caller.expect_abort(VIOLATION, text("another procedure"))
    callee.expect([69, 1, ANY])


def test_an_old_id_without_the_feature(router, callee):
    """Only a Caller with the feature may "be unaware that the call is completed"."""
    caller = router.join(without=("caller.progressive_call_invocations",))
    caller.send([48, 1, {}, "com.upload"])
    callee.expect([68, 1, ANY, {}])
    callee.send([70, 1, {}])
    caller.expect([50, 1, {}])
    caller.send([48, 1, {}, "com.upload"])
    caller.expect_abort(VIOLATION)


def test_both_directions_at_once(caller, callee):
    """'Progressive Call Invocations with Progressive Call Results': "do not need to be matched pairs"."""
    caller.send([48, 1, {"progress": True, "receive_progress": True}, "com.upload", [1]])
    both = {"progress": True, "receive_progress": True}
    callee.expect([68, 1, ANY, both, [1]])
    callee.send([70, 1, PROGRESS, ["a"]], [70, 1, PROGRESS, ["b"]])
    caller.expect([50, 1, PROGRESS, ["a"]], [50, 1, PROGRESS, ["b"]])
    caller.send([48, 1, PROGRESS, "com.upload", [2]], [48, 1, {}, "com.upload", [3]])
    callee.expect([68, 1, ANY, both, [2]], [68, 1, ANY, {"receive_progress": True}, [3]])
    callee.send([70, 1, PROGRESS, ["c"]], [70, 1, {}, ["d"]])
    caller.expect_only([50, 1, PROGRESS, ["c"]], [50, 1, {}, ["d"]])


def test_options_are_frozen(router, callee):
    """
    'Freezing of Options': "Dealers and Callees MUST ignore any option except for progress" in later chunks.
    """
    caller = router.join("alice")
    first = {"progress": True, "disclose_me": True, "ppt_scheme": "x_mine", "ppt_keyid": "1"}
    caller.send([48, 1, first, "com.upload", [1]])
    identity = {"caller": caller.id, "caller_authid": "alice", "caller_authrole": "user"}
    details = {**identity, "ppt_scheme": "x_mine", "ppt_keyid": "1"}
    callee.expect([68, 1, ANY, {**details, "progress": True}, [1]])
    later = {
        "progress": True,
        "disclose_me": False,
        "ppt_scheme": "wamp",
        "timeout": -1,
        "receive_progress": True,
    }
    caller.send([48, 1, later, "com.upload", [2]], [48, 1, {}, "com.upload", [3]])
    callee.expect_only([68, 1, ANY, {**details, "progress": True}, [2]], [68, 1, ANY, details, [3]])


def test_the_timeout_is_that_of_the_first_chunk(router, caller, callee):
    """'Freezing of Options': CALL.Options.timeout is frozen; further chunks do not prolong it."""
    caller.send([48, 1, {"progress": True, "timeout": 100}, "com.upload"])
    router.advance(90)
    caller.send([48, 1, {"progress": True, "timeout": 100_000}, "com.upload"])
    callee.expect([68, 1, ANY, PROGRESS], [68, 1, ANY, PROGRESS])
    router.advance(60)
    caller.expect([8, 48, 1, {}, "wamp.error.timeout", ANY])
    callee.expect([69, 1, {"mode": "killnowait", "reason": "wamp.error.timeout"}])
    caller.send([48, 1, {}, "com.upload"])
    callee.expect_nothing()


def test_nothing_follows_an_interrupt(caller, callee):
    """After CANCEL the callee gets no further chunk, also while a killed call awaits its answer."""
    caller.send([48, 1, PROGRESS, "com.upload"], [49, 1, {"mode": "kill"}], [48, 1, PROGRESS, "com.upload"])
    callee.expect_only([68, 1, ANY, PROGRESS], [69, 1, {"mode": "kill", "reason": CANCELED}])
    callee.send([8, 68, 1, {}, CANCELED])
    caller.expect_only([8, 48, 1, {}, CANCELED])


def test_a_pattern_tells_the_procedure_in_every_chunk(router, caller):
    """'Pattern-based Registrations': Details.procedure is a detail of each INVOCATION."""
    callee = router.join()
    callee.register("com.any", match="prefix")
    caller.send([48, 1, PROGRESS, "com.any.one"], [48, 1, {}, "com.any.one"])
    callee.expect([68, 1, ANY, {"procedure": "com.any.one", "progress": True}])
    callee.expect([68, 1, ANY, {"procedure": "com.any.one"}])


def test_a_chunk_that_the_callee_cannot_take(router, caller):
    """
    "A call MUST always end": the call fails, and the callee, which waits for input, is interrupted.
    """
    callee = router.join(most=3000)
    callee.register("com.upload")
    caller.send([48, 1, PROGRESS, "com.upload", [1]], [48, 1, PROGRESS, "com.upload", ["x" * 3000]])
    callee.expect_only([68, 1, ANY, PROGRESS, [1]], [69, 1, {"mode": "killnowait", "reason": ANY}])
    caller.expect_only([8, 48, 1, {}, "wamp.error.payload_size_exceeded", ANY])
    caller.send([48, 1, {}, "com.upload"])
    callee.send([70, 1, {}])
    caller.expect_nothing()


def test_a_first_chunk_that_the_callee_cannot_take(router, caller):
    """A callee that never saw the INVOCATION is not interrupted either."""
    callee = router.join(most=3000)
    callee.register("com.upload")
    caller.send([48, 1, PROGRESS, "com.upload", ["x" * 3000]], [48, 1, {}, "com.upload", [2]])
    caller.expect_only([8, 48, 1, {}, "wamp.error.payload_size_exceeded", ANY])
    callee.expect_nothing()


def test_a_chunk_that_nobody_could_read(router, callee):
    """A value outside every other serializer's range ends the call; the caller's session lives on."""
    caller = router.join(serializer="json")
    caller.send([48, 1, PROGRESS, "com.upload", [1]])
    callee.expect([68, 1, ANY, PROGRESS, [1]])
    caller.send_bytes(b'[48,1,{"progress":true},"com.upload",[1e999]]')
    caller.expect_only([8, 48, 1, {}, "wamp.error.invalid_argument", ANY])
    callee.expect_only([69, 1, {"mode": "killnowait", "reason": ANY}])
    caller.send_bytes(b'[48,1,{},"com.upload",[1e999]]')
    caller.expect_nothing()
