"""``run``: transaction functions of the router."""

import dstm_functions
import pytest
from dstm_stage import Stage

CLIENT = "0123456789abcdef" * 2
FUNCTIONS = {
    name: {"function": f"dstm_functions:{name}"}
    for name in ("take", "announce", "refuse", "fail", "odd", "restart")
}


@pytest.fixture
def one() -> Stage:
    dstm_functions.runs.clear()
    stage = Stage(functions={**FUNCTIONS, "secret": {"function": "dstm_functions:take", "roles": ["boss"]}})
    stage.enter("ann", "bob")
    stage.put("ann", "", {"stock": {"apple": 3}})
    return stage


def test_it_runs_and_gives_the_result(one: Stage) -> None:
    args, about = one.ask("ann", ".run", "take", "apple", 2, note="hers")
    assert args == [{"left": 1}]
    assert (about["version"], sorted(about)) == (2, ["epoch", "time", "version"])
    assert one.ask("bob", ".get")[0] == [{"stock": {"apple": 1}, "note": "hers"}]


def test_it_happens_once_with_a_tx(one: Stage) -> None:
    first = one.ask("ann", ".run", "take", "apple", tx=f"{CLIENT}:1")
    again = one.ask("ann", ".run", "take", "apple", tx=f"{CLIENT}:1")
    assert first[0] == again[0] == [{"left": 2}]
    assert again[1]["dup"]
    assert one.ask("ann", ".run", "take", "apple", 2, tx=f"{CLIENT}:1")[0] == "dstm.error.tx_reused"


def test_many_at_once_meet_no_conflict(one: Stage) -> None:
    for name in ("ann", "bob", "ann"):
        one.call(name, ".run", "take", "apple")
    one.settle()
    assert sorted(wire[3][0]["left"] for _, wire in one.sent()) == [0, 1, 2]


def test_one_that_retries_waits_for_a_change(one: Stage) -> None:
    request = one.call("ann", ".run", "take", "apple", 5)
    assert one.answer("ann", request) is None
    one.put("bob", "/other", 1)
    assert dstm_functions.runs == ["apple"]
    one.put("bob", "/stock/apple", 4)
    one.settle()
    assert one.answer("ann", request) is None
    one.put("bob", "/stock/apple", 7)
    one.settle()
    one.events.extend(one.sent())
    ((_, wire),) = one.events
    assert (wire[1], wire[3]) == (request, [{"left": 2}])
    assert len(dstm_functions.runs) == 3


def test_it_waits_a_limited_time(one: Stage) -> None:
    one.call("ann", ".run", "take", "apple", 5, timeout_ms=1000)
    one.settle()
    one.advance(1.1)
    ((_, wire),) = one.sent()
    assert wire[4] == "dstm.error.timeout"
    one.call("ann", ".run", "take", "apple", 5, timeout_ms=0)
    one.settle()
    ((_, wire),) = one.sent()
    assert wire[4] == "dstm.error.timeout"


def test_waiting_is_canceled(one: Stage) -> None:
    request = one.call("ann", ".run", "take", "apple", 5)
    one.settle()
    assert one("ann", [49, request, {}])[0][1][4] == "wamp.error.canceled"
    one.put("bob", "/stock/apple", 9)
    assert dstm_functions.runs == ["apple"]


def test_a_refusal_of_the_function_is_the_answer(one: Stage) -> None:
    assert one.ask("ann", ".run", "refuse") == ("com.example.no_money", "not enough", {"have": 1})
    assert one.ask("ann", ".get")[1]["version"] == 1


@pytest.mark.parametrize(("name", "error"), [("fail", "ZeroDivisionError")])
def test_a_failure_is_logged_and_changes_nothing(one: Stage, name: str, error: str) -> None:
    uri, text, _ = one.ask("ann", ".run", name)
    assert uri == "wamp.error.runtime_error"
    assert error in text
    assert one.log("dstm").failures == ["ZeroDivisionError()"]
    assert one.ask("ann", ".get")[1]["version"] == 1


def test_a_result_that_is_no_json(one: Stage) -> None:
    assert one.ask("ann", ".run", "odd")[2]["part"] == "result"


def test_one_that_gives_up(one: Stage) -> None:
    assert one.ask("ann", ".run", "restart")[0] == "dstm.error.conflict"


def test_its_events_need_the_callers_permission(one: Stage) -> None:
    one.follow("bob", "com.t")
    assert one.ask("ann", ".run", "announce", "com.t")[1]["version"] == 2
    ((who, wire),) = one.events
    assert (who, wire[4:]) == ("bob", [["sold"], {"by": "run"}])
    assert one.ask("ann", ".run", "announce", "concord.x")[0] == "wamp.error.not_authorized"
    assert one.ask("ann", ".get", "/announced")[0] == [1]


def test_roles_say_who_may_run_it(one: Stage) -> None:
    uri, text, _ = one.ask("ann", ".run", "secret", "apple")
    assert uri == "wamp.error.not_authorized"
    assert "'secret'" in text
    assert dstm_functions.runs == []


def test_it_sees_what_its_caller_does_not() -> None:
    everything = {"pointer": "/**", "allow": ["read", "write"]}
    rules = {"spy": [{"pointer": "/open", "allow": ["read"]}], "clerk": [everything]}
    one = Stage(access=rules, functions=FUNCTIONS).enter("ann").enter("spy", role="spy")
    one.put("ann", "", {"stock": {"apple": 3}})
    assert one.ask("spy", ".run", "take", "apple")[0] == [{"left": 2}]
