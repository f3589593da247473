"""WAMP BP 'Remote Procedure Calls'."""

import pytest
from wire_router import ANY, text

CANCELED = "wamp.error.canceled"
PAYLOADS = [
    (),
    ([],),
    (["Hello, world!"],),
    ([23, 7],),
    (["johnny"], {"firstname": "John", "surname": "Doe"}),
    ([], {"userid": 123, "karma": 10}),
]


@pytest.fixture
def caller(router):
    return router.join()


@pytest.fixture
def callee(router):
    return router.join()


def test_register(router):
    """'REGISTERED': the request's id, and a registration's that the Dealer chose."""
    peer = router.join()
    peer.send([64, 1, {}, "com.myapp.myprocedure1"])
    peer.expect_only([65, 1, ANY])


@pytest.mark.parametrize("who", ["the same", "another"])
def test_register_error(router, callee, who):
    """'Register ERROR': wamp.error.procedure_already_exists; the first registration stays as it is."""
    registration = callee.register("com.x")
    peer = callee if who == "the same" else router.join()
    request = peer.next()
    peer.send([64, request, {}, "com.x"])
    peer.expect([8, 64, request, {}, "wamp.error.procedure_already_exists", ANY])
    router.join().call("com.x")
    callee.expect([68, 1, registration, {}])


def test_unregister(router, callee, caller):
    """
    'UNREGISTERED': the Dealer confirms; afterwards there is no such procedure, and it can be registered
    anew.
    """
    registration = callee.register("com.x")
    callee.send([66, 2, registration])
    callee.expect([67, 2])
    request = caller.call("com.x")
    caller.expect([8, 48, request, {}, "wamp.error.no_such_procedure", ANY])
    assert caller.register("com.x") != registration


@pytest.mark.parametrize("whose", ["nobody's", "another's", "a former one"])
def test_unregister_error(router, callee, caller, whose):
    """'Unregister ERROR': wamp.error.no_such_registration, for any that this session does not hold."""
    registration = caller.register("com.x") if whose == "another's" else 4711
    if whose == "a former one":
        registration = callee.register("com.x")
        callee.send([66, callee.next(), registration])
        callee.expect([67, 2])
    request = callee.next()
    callee.send([66, request, registration])
    callee.expect([8, 66, request, {}, "wamp.error.no_such_registration", ANY])


def test_calls_under_way_survive_unregister(callee, caller):
    """
    'UNREGISTER': "no longer willing to provide an implementation" of later calls; it answers the earlier
    ones.
    """
    registration = callee.register("com.x")
    request = caller.call("com.x")
    callee.expect([68, 1, registration, {}])
    callee.send([66, 2, registration], [70, 1, {}, ["late"]])
    callee.expect_only([67, 2])
    caller.expect_only([50, request, {}, ["late"]])


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("result", PAYLOADS)
def test_call(callee, caller, payload, result):
    """'Calling and Invocations': CALL, INVOCATION, YIELD, RESULT; the payloads as they were provided."""
    registration = callee.register("com.x")
    caller.send([48, 1, {}, "com.x", *payload])
    callee.expect_only([68, 1, registration, {}, *payload])
    callee.send([70, 1, {}, *result])
    caller.expect_only([50, 1, {}, *result])
    callee.expect_nothing()


@pytest.mark.parametrize(
    "payload", [(), (["Object is write protected."],), (["x"], {"severity": 3}), ([], {"a": 1})]
)
def test_invocation_error(callee, caller, payload):
    """'Invocation ERROR', 'Call ERROR': the error's URI and payload are forwarded to the Caller."""
    callee.register("com.x")
    request = caller.call("com.x")
    callee.expect([68, 1, ANY, {}])
    callee.send([8, 68, 1, {}, "com.myapp.error.object_write_protected", *payload])
    caller.expect_only([8, 48, request, {}, "com.myapp.error.object_write_protected", *payload])


@pytest.mark.parametrize("error", ["", "no uri", "com..x"])
def test_an_error_that_is_no_uri(callee, caller, error):
    """A choice: it is passed on as it is; the Caller is waiting for its answer."""
    callee.register("com.x")
    request = caller.call("com.x")
    callee.expect([68, 1, ANY, {}])
    callee.send([8, 68, 1, {}, error])
    caller.expect([8, 48, request, {}, error])


def test_no_such_procedure(caller):
    """'Call ERROR': "already failed at the Dealer before the call would have been forwarded"."""
    caller.send([48, 1, {}, "com.x", [1]])
    caller.expect_only([8, 48, 1, {}, "wamp.error.no_such_procedure", ANY])


def test_calls_are_asynchronous(callee, caller):
    """'Calling': "there may be more than one call outstanding"; answers come in any order."""
    registration = callee.register("com.x")
    for number in (1, 2, 3):
        caller.send([48, number, {}, "com.x", [number]])
        callee.expect([68, number, registration, {}, [number]])
    for number in (2, 3, 1):
        callee.send([70, number, {}, [number * 10]])
    caller.expect_only([50, 2, {}, [20]], [50, 3, {}, [30]], [50, 1, {}, [10]])


def test_a_session_calls_itself(caller):
    """Roles are combined freely: one session is Caller and Callee of one call."""
    registration = caller.register("com.x")
    request = caller.call("com.x", [1])
    caller.expect([68, 1, registration, {}, [1]])
    caller.send([70, 1, {}, [2]])
    caller.expect_only([50, request, {}, [2]])


def test_every_procedure_of_a_callee(callee, caller):
    """'INVOCATION': the registration id tells the Callee which of its procedures is called."""
    registrations = [callee.register(uri) for uri in ("com.a", "com.b", "com.c")]
    for uri in ("com.c", "com.a", "com.b"):
        caller.call(uri)
    one, two, three = registrations
    callee.expect_only([68, 1, three, {}], [68, 2, one, {}], [68, 3, two, {}])


def test_caller_leaves(callee, caller):
    """
    'Caller Leaving': INTERRUPT with "mode" set to "killnowait"; the response is discarded, the callee lives
    on.
    """
    registration = callee.register("com.x")
    caller.call("com.x")
    callee.expect([68, 1, registration, {}])
    caller.vanish()
    callee.expect([69, 1, {"mode": "killnowait", "reason": CANCELED}])
    callee.send([70, 1, {}, ["late"]])
    callee.expect_nothing()
    assert callee.ask("wamp.session.count") == 1


def test_caller_leaves_and_the_callee_cannot_cancel(router, caller):
    """
    'Caller Leaving': "does not support the Call Canceling feature, then an INTERRUPT message shall NOT
    sent".
    """
    callee = router.join(without=("callee.call_canceling",))
    registration = callee.register("com.x")
    caller.call("com.x")
    callee.expect([68, 1, registration, {}])
    caller.leave()
    callee.expect_nothing()
    callee.send([8, 68, 1, {}, "com.error.late"])
    callee.expect_nothing()
    assert callee.ask("wamp.session.count") == 1


@pytest.mark.parametrize("how", ["leave", "vanish"])
def test_callee_leaves(router, callee, caller, how):
    """'Callee Leaving': "the Dealer SHALL return an ERROR message back to the Caller"; it says why."""
    callee.register("com.x")
    one, two = caller.call("com.x"), caller.call("com.x")
    callee.drain()
    getattr(callee, how)()
    caller.expect_only(
        [8, 48, one, {}, CANCELED, [text("callee left")]], [8, 48, two, {}, CANCELED, [text("callee left")]]
    )
    third = caller.call("com.x")
    caller.expect_only([8, 48, third, {}, "wamp.error.no_such_procedure", ANY])


def test_a_late_yield_is_dropped(callee, caller):
    """
    'Caller Leaving': "shall be prepared to discard a YIELD or ERROR response associated with that defunct
    call".
    """
    callee.register("com.x")
    request = caller.call("com.x", timeout=10)
    callee.expect([68, 1, ANY, {}])
    callee.send([70, 1, {}, ["in time"]])
    caller.expect([50, request, {}, ["in time"]])
    callee.send([70, 1, {}, ["again"]], [8, 68, 1, {}, "com.error"])
    caller.expect_nothing()
    callee.expect_nothing()
    assert callee.ask("wamp.session.count") == 2


def test_options_that_are_unset_or_unknown(callee, caller):
    """'Extensibility': "Attributes unknown to an implementation MUST be ignored"; null is absent."""
    callee.send([64, 1, {"match": None, "invoke": None, "forward_timeout": None, "color": 1}, "com.x"])
    callee.expect([65, 1, ANY])
    unset = dict.fromkeys(("timeout", "receive_progress", "progress", "disclose_me", "ppt_scheme"))
    caller.call("com.x", [1], color="red", _own=[1], **unset)
    callee.expect([68, 1, ANY, {}, [1]])
    callee.send([70, 1, {"progress": None, "color": "red"}, [2]])
    caller.expect_only([50, 1, {}, [2]])


@pytest.mark.parametrize(
    "options", [{"match": "regex"}, {"invoke": "all"}, {"forward_timeout": 1}, {"match": ["exact"]}]
)
def test_register_options_are_checked(caller, options):
    """'Register ERROR': an option that cannot be met is answered, and nothing is registered."""
    caller.send([64, caller.next(), options, "com.x"])
    caller.expect([8, 64, 1, {}, "wamp.error.invalid_argument", ANY])
    assert caller.ask("wamp.registration.list") == {"exact": [], "prefix": [], "wildcard": []}


def test_a_message_that_the_callee_cannot_take(router, caller):
    """'Basic Profile URIs': "could not be delivered due to transport payload size limits"."""
    callee = router.join(most=3000)
    callee.register("com.x")
    request = caller.call("com.x", ["x" * 3000])
    callee.expect_nothing()
    caller.expect_only([8, 48, request, {}, "wamp.error.payload_size_exceeded", [text("3000")]])
    caller.call("com.x", ["small"])
    callee.expect([68, ANY, ANY, {}, ["small"]])


def test_a_result_that_the_caller_cannot_take(router, callee):
    """
    'Basic Profile URIs': "could not be delivered due to transport payload size limits"; one final reply.
    """
    caller = router.join(most=3000)
    callee.register("com.x")
    one, two = caller.call("com.x"), caller.call("com.x")
    callee.drain()
    callee.send([70, 1, {}, ["x" * 3000]], [8, 68, 2, {}, "com.error", ["x" * 3000]])
    caller.expect_only(
        [8, 48, one, {}, "wamp.error.payload_size_exceeded", [text("3000")]],
        [8, 48, two, {}, "wamp.error.payload_size_exceeded", [text("3000")]],
    )
    callee.expect_nothing()


def test_an_error_without_payload_that_the_caller_cannot_take(router, callee):
    """Every call ends: also where it is the error's URI that is too long."""
    caller = router.join(most=3000)
    callee.register("com.x")
    request = caller.call("com.x")
    callee.drain()
    callee.send([8, 68, 1, {}, "com." + "x" * 3000])
    caller.expect_only([8, 48, request, {}, "wamp.error.payload_size_exceeded", [text("3000")]])
