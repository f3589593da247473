"""``concord register`` as a user runs it, against a real router."""

import json
import signal
from typing import Any

import pytest
from client_router import ClientRouter

SUM = "import json, sys; print(sum(json.load(sys.stdin)['args']))"


def test_a_command_answers(router: ClientRouter) -> None:
    """Each call is printed with what came of it; after the last one the command ends."""
    arguments = ["com.reg.sum", "-v", "--count", "2", "--", "python3", "-c", SUM]
    with router.start("register", *arguments) as callee:
        callee.until("registered com.reg.sum")
        assert router.json("call", "com.reg.sum", "1", "2") == [3]
        code, text = router.refused("call", "com.reg.sum", "x")
        error = json.loads(text)
        assert (code, error["error"], error["kwargs"]) == (
            1,
            "concord.error.command_failed",
            {"exit_code": 1},
        )
        callee.until("error_args")
        assert callee.ended() == 0
    first, second = callee.values
    assert first == {"procedure": "com.reg.sum", "args": [1, 2], "kwargs": {}, "result": 3}
    assert second["error"] == "concord.error.command_failed"


def test_the_call_is_given_whole(router: ClientRouter) -> None:
    """With the procedure that was called, and what the router tells of the caller."""
    with router.start("register", "com.reg.any.", "--match", "prefix", "-v", "--shell", "cat") as callee:
        callee.until("registered")
        (call,) = router.json("call", "com.reg.any.x", "1", "a=b", "--disclose-me")
    assert (call["procedure"], call["args"], call["kwargs"]) == ("com.reg.any.x", [1], {"a": "b"})
    assert call["details"]["caller"] > 0


def test_echo(router: ClientRouter) -> None:
    with router.start("register", "com.reg.echo", "--echo", "-v") as callee:
        callee.until("registered")
        assert router.json("call", "com.reg.echo", "1", "a=b") == [{"args": [1], "kwargs": {"a": "b"}}]
        lines = "".join(f"{number}\n" for number in range(20))
        assert router.json("call", "com.reg.echo", "--lines", stdin=lines) == list(range(20))


def test_progressive_results(router: ClientRouter) -> None:
    """They are sent to who asks for them alone."""
    script = "echo 1; echo 2; echo 3"
    with router.start("register", "com.reg.steps", "--progress", "-v", "--shell", script) as callee:
        callee.until("registered")
        assert router.json("call", "com.reg.steps", "--progress") == [1, 2, 3]
        assert router.json("call", "com.reg.steps") == [3]


def test_as_many_at_a_time_as_allowed(router: ClientRouter) -> None:
    """Two in work, one waiting; the fourth is refused. What waits is done in its order."""
    script = "echo began $(cat) >&2; while ! [ -e go ]; do sleep 0.05; done"
    arguments = ["com.reg.busy", "-j", "2", "--queue", "1", "-v", "--shell", script]
    with router.start("register", *arguments) as callee:
        callee.until("registered")
        callers: list[Any] = []
        for number in (1, 2, 3):
            caller = router.start("call", "com.reg.busy", str(number), "-v")
            caller.until("joined")
            callers.append(caller)
        callee.until("began", 2)
        # The third call is on its way while its caller has joined: the router answers in order.
        code, text = refused_in_the_end(router)
        assert (code, json.loads(text)["error"]) == (1, "wamp.error.unavailable")
        (router.directory / "go").touch()
        for caller in callers:
            with caller:
                assert caller.ended() == 0
    assert sorted(value["args"] for value in callee.values if "procedure" in value) == [[1], [2], [3]]


def refused_in_the_end(router: ClientRouter) -> tuple[int, str]:
    """Call until the queue is full, whoever fills it: a call that waits is ended after a moment."""
    for _ in range(50):
        done = router.run("call", "com.reg.busy", "0", "--timeout", "100")
        if "wamp.error.timeout" not in done.stderr:
            return done.returncode, done.stderr
    raise AssertionError("nothing is refused")


@pytest.mark.parametrize("how", ["signal", "timeout"])
def test_a_call_that_is_given_up(router: ClientRouter, how: str) -> None:
    """Ctrl-C and a timeout of the caller end the program; the callee lives on."""
    name = f"com.reg.slow.{how}"
    script = 'read -r line; case "$line" in *quick*) echo 1;; *) echo began >&2; sleep 60;; esac'
    with router.start("register", name, "-v", "-j", "1", "--shell", script) as callee:
        callee.until("registered")
        timeout = ["--timeout", "300"] if how == "timeout" else []
        with router.start("call", name, *timeout) as caller:
            callee.until("began")
            if how == "signal":
                assert caller.stop(signal.SIGINT) == 130
            else:
                assert caller.ended() == 1
                assert "wamp.error.timeout" in caller.text
        # One at a time: this one is answered because the other's program is gone.
        assert router.json("call", name, "quick") == [1]
        assert callee.stop(signal.SIGINT) == 0
    assert "Traceback" not in callee.text


def test_its_own_time_that_passes(router: ClientRouter) -> None:
    with router.start("register", "com.reg.late", "-v", "--timeout", "100", "--", "sleep", "60") as callee:
        callee.until("registered")
        assert json.loads(router.refused("call", "com.reg.late")[1])["error"] == "wamp.error.timeout"


def test_two_of_one_procedure(router: ClientRouter) -> None:
    """Refused, unless both share it, or the second takes it."""
    with router.start("register", "com.reg.one", "-v", "--echo", "--force-reregister") as first:
        first.until("registered")
        code, text = router.refused("register", "com.reg.one", "--echo")
        assert (code, json.loads(text)["error"]) == (1, "wamp.error.procedure_already_exists")
    shared = ["com.reg.shared", "-v", "--echo", "--invoke", "roundrobin"]
    with router.start("register", *shared) as one, router.start("register", *shared) as two:
        one.until("registered")
        two.until("registered")
        for _ in range(2):
            router.json("call", "com.reg.shared")
        one.until("procedure")
        two.until("procedure")


def test_it_is_revoked(router: ClientRouter) -> None:
    """Nothing will be called any more, so the command ends, with the router's reason."""
    with router.start("register", "com.reg.taken", "-v", "--echo") as callee:
        callee.until("registered")
        ((registration,),) = [router.json("call", "wamp.registration.match", "com.reg.taken")]
        ((session,),) = router.json("call", "wamp.registration.list_callees", str(registration))
        router.json("call", "wamp.registration.remove_callee", str(registration), str(session))
        assert callee.ended() == 1
    assert "the router revoked the registration" in callee.text


def test_the_connection_is_lost(router: ClientRouter) -> None:
    """Without ``--reconnect`` that is the end, with 3; with it the procedure is there again."""
    kill = ["call", "wamp.session.kill_by_authid"]
    who = ["-a", "ticket", "-i", "tina", "--secret", "a ticket"]
    for more in ([], ["--reconnect"]):
        arguments = ["com.reg.lost", "-v", "--echo", *more, *who]
        with router.start("register", *arguments) as callee:
            callee.until("registered")
            assert router.json(*kill, "tina")
            if not more:
                assert callee.ended() == 3, callee.text
                assert "the router said goodbye: wamp.close.killed" in callee.text
            else:
                callee.until("registered", 2)
                assert router.json("call", "com.reg.lost", "1") == [1]


@pytest.mark.parametrize("arguments", [[], ["--echo", "--shell", "x"], ["--echo", "--", "cat"]])
def test_called_wrongly(router: ClientRouter, arguments: list[str]) -> None:
    code, text = router.refused("register", "com.reg.wrong", *arguments)
    assert (code, text) == (
        2,
        "concord: say what answers calls: a command after --, --shell TEXT, or --echo\n",
    )
