"""The router's own calls of procedures that clients have registered."""

from typing import Any

import pytest
from msgspec import structs
from twisted.logger import capturedLogs
from wire_router import CONFIG, WireRouter

from realms.config import Limits
from realms.router_calls import Answered, Failed
from router.wamp import uris

PROCEDURE = "com.example.decide"


@pytest.fixture(params=["json", "msgpack", "cbor"])
def router(request: Any) -> Any:
    router = WireRouter((request.param,))
    yield router
    router.check()


def call(router: Any, told: list[Any], timeout_ms: int = 1000) -> Any:
    return router.realm.router_calls.call(PROCEDURE, [1, "two"], {"three": 3.5}, timeout_ms, told.append)


def invoked(callee: Any, invocation: int = 1) -> None:
    callee.expect([68, invocation, 1, {}, [1, "two"], {"three": 3.5}])


def test_the_result_comes_as_plain_values(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    call(router, told)
    router.end_turn()
    invoked(callee)
    callee.send([70, 1, {}, [{"allow": True}], {"ttl": 5}])
    router.end_turn()
    assert told == [Answered([{"allow": True}], {"ttl": 5})]
    assert len(router.realm.router_calls) == 0


def test_a_result_without_keywords(router: Any) -> None:
    """The dealer has a message of its own for it."""
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    call(router, told)
    router.end_turn()
    invoked(callee)
    callee.send([70, 1, {}, ["role"]])
    router.end_turn()
    assert told == [Answered(["role"], {})]


def test_an_answer_without_payload_has_empty_values(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    call(router, told)
    router.end_turn()
    invoked(callee)
    callee.send([70, 1, {}])
    router.end_turn()
    assert told == [Answered([], {})]


def test_the_callees_error_is_told_with_its_text(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    call(router, told)
    call(router, told)
    router.end_turn()
    invoked(callee, 1)
    invoked(callee, 2)
    callee.send([8, 68, 1, {}, "com.example.no", ["because"]], [8, 68, 2, {}, "com.example.no", [7]])
    router.end_turn()
    assert told == [Failed("com.example.no", "because"), Failed("com.example.no", "")]


def test_nobody_has_the_procedure_and_that_is_told_in_a_later_turn(router: Any) -> None:
    told: list[Any] = []
    call(router, told)
    assert told == []
    router.end_turn()
    assert [answer.error for answer in told] == [uris.NO_SUCH_PROCEDURE]


def test_a_silent_callee_is_interrupted_when_the_time_is_over(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE, forward_timeout=True)
    told: list[Any] = []
    call(router, told, 250)
    router.end_turn()
    invoked(callee)
    router.advance(249)
    assert told == []
    router.advance(2)
    assert told == [Failed(uris.TIMEOUT, "no answer within 250 ms")]
    callee.expect([69, 1, {"mode": "killnowait", "reason": uris.CANCELED}])
    callee.send([70, 1, {}, [True]])  # too late
    router.end_turn()
    assert len(told) == 1


def test_the_callee_leaves(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    call(router, told)
    router.end_turn()
    invoked(callee)
    callee.vanish()
    router.end_turn()
    assert [answer.error for answer in told] == [uris.CANCELED]


def test_who_takes_a_call_back_is_told_nothing(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    under_way = call(router, told)
    router.end_turn()
    invoked(callee)
    under_way.cancel()
    under_way.cancel()
    router.end_turn()
    callee.expect([69, 1, {"mode": "killnowait", "reason": uris.CANCELED}])
    router.advance(5000)
    assert told == []


def test_the_realm_closes(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    call(router, told)
    router.end_turn()
    invoked(callee)
    router.realm.router_calls.close()
    assert told == []
    router.end_turn()
    assert told == [Failed(uris.CANCELED, "the realm closes")]


def test_the_realms_limit_of_pending_calls_holds() -> None:
    router = WireRouter(config=structs.replace(CONFIG, limits=Limits(pending_calls_per_session=3)))
    callee = router.join()
    callee.register(PROCEDURE)
    told: list[Any] = []
    for _ in range(4):
        call(router, told)
    router.end_turn()
    assert [answer.error for answer in told] == [uris.LIMIT_EXCEEDED]
    callee.drain()


def test_no_session_and_no_caller_is_seen(router: Any) -> None:
    callee = router.join()
    callee.register(PROCEDURE, disclose_caller=True)
    call(router, [])
    router.end_turn()
    invoked(callee)
    assert callee.ask("wamp.session.count") == 1
    callee.send([70, 1, {}])


def test_a_defect_of_who_asked_is_logged_and_ends_nothing(router: Any) -> None:
    def fail(answer: Any) -> None:
        raise RuntimeError("mine")

    with capturedLogs() as logged:
        router.realm.router_calls.call(PROCEDURE, None, None, 1000, fail)
        router.end_turn()
    assert [str(event["log_failure"].value) for event in logged] == ["mine"]
    told: list[Any] = []
    call(router, told)
    router.end_turn()
    assert len(told) == 1
