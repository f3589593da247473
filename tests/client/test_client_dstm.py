"""``concord dstm`` as a user runs it, against a real router."""

import json
import signal
from typing import Any

import pytest
from client_router import SECRETS, ClientRouter

from router.client.dstm_ops import op
from router.client.failures import UsageError

WHO = ["-a", "ticket", "-i", "tina", "--secret", SECRETS["tina"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a=text", {"op": "add", "path": "/a", "value": "text"}),
        ("/a/b:=[1]", {"op": "add", "path": "/a/b", "value": [1]}),
        ("/n+=2.5", {"op": "inc", "path": "/n", "value": 2.5}),
        ("/a=b=c", {"op": "add", "path": "/a", "value": "b=c"}),
        ('{"op": "remove", "path": "/a"}', {"op": "remove", "path": "/a"}),
    ],
)
def test_an_op(text: str, expected: dict[str, Any]) -> None:
    assert op(text) == expected


@pytest.mark.parametrize("text", ["/a", "a=1", "[]", "/n+=x", "/n+=true", "/n+=[]", "/a:=x", "5"])
def test_what_is_no_op(text: str) -> None:
    with pytest.raises(UsageError):
        op(text)


class TestGetAndCommit:
    def test_what_was_committed_is_read(self, router: ClientRouter) -> None:
        assert router.json("dstm", "get", "plain") == [{}]
        (first,) = router.json(
            "dstm", "commit", "plain", "/name=Ann", "/list:=[1, 2]", "/n+=5", "--want", "/n"
        )
        assert (first["version"], first["values"]) == (1, [5])
        assert router.json("dstm", "get", "plain") == [{"name": "Ann", "list": [1, 2], "n": 5}]
        assert router.json("dstm", "get", "plain", "/list/1") == [2]
        code, text = router.refused("dstm", "get", "plain", "/nothing")
        assert (code, json.loads(text)["error"]) == (1, "concord.error.nothing_there")

    def test_several_values_of_one_version(self, router: ClientRouter) -> None:
        router.json("dstm", "commit", "several", "/a:=1", "/b:=null")
        assert router.json("dstm", "get", "several", "/a", "/b", "/c") == [{"/a": 1, "/b": None}]
        (full,) = router.json("dstm", "get", "several", "/b", "/c", "--full")
        assert (full["version"], full["values"], full["missing"]) == (1, {"/b": None}, ["/c"])
        router.json("dstm", "commit", "several", "/a:=2")
        assert router.json("dstm", "get", "several", "/a", "--at", "1") == [1]
        assert router.json("dstm", "get", "several", "/a", "--min-version", "2") == [2]

    @pytest.mark.parametrize("serializer", ["json", "msgpack", "cbor"])
    def test_a_value_that_comes_in_pages(self, router: ClientRouter, serializer: str) -> None:
        """Objects and arrays, put together again; at the root, and below a pointer."""
        big = {"a/b": {str(n): ["x" * 100, n] * 10 for n in range(200)}, "list": [["y" * 1000]] * 300}
        line = json.dumps([{"op": "add", "path": "/big", "value": big}])
        router.json("dstm", "commit", "paged", "--lines", stdin=line)
        arguments = ["--serializer", serializer]
        assert router.json("dstm", "get", "paged", *arguments) == [{"big": big}]
        assert router.json("dstm", "get", "paged", "/big/a~1b", "/big/list", *arguments) == [
            {"/big/a~1b": big["a/b"], "/big/list": big["list"]}
        ]

    def test_a_conflict(self, router: ClientRouter) -> None:
        (first,) = router.json("dstm", "commit", "conflict", "/a:=1")
        router.json("dstm", "commit", "conflict", "/a:=2")
        read = ["--base", str(first["version"]), "--epoch", first["epoch"], "--read", "/a"]
        code, text = router.refused("dstm", "commit", "conflict", "/b:=1", *read)
        error = json.loads(text)
        assert (code, error["error"], error["kwargs"]["version"]) == (1, "dstm.error.conflict", 2)
        read[-1] = "/other"
        assert router.json("dstm", "commit", "conflict", "/b:=1", *read)[0]["version"] == 3

    def test_lines(self, router: ClientRouter) -> None:
        """Each is a transaction; one that is refused does not stop the others."""
        lines = [
            [{"op": "inc", "path": "/n", "value": 1}],
            [{"op": "remove", "path": "/nothing"}],
            {"ops": [{"op": "push", "path": "/l", "value": "x"}], "want": ["/l"]},
        ]
        text = "\n".join(map(json.dumps, lines))
        done = router.run("dstm", "commit", "lines", "--lines", "--want", "/n", stdin=text)
        assert done.returncode == 1
        values = [json.loads(line)["values"] for line in done.stdout.splitlines()]
        assert values == [[1], [["x"]]]
        assert json.loads(done.stderr)["error"] == "dstm.error.invalid"

    def test_a_doubled_transaction(self, router: ClientRouter) -> None:
        """A line may bring its own ``tx``, as a program does that keeps what it has submitted."""
        base = router.json("dstm", "get", "twice", "--full")[0]
        members = {"tx": "0" * 31 + "7:1", "base": base["version"], "epoch": base["epoch"]}
        line = json.dumps({**members, "ops": [{"op": "inc", "path": "/n", "value": 1}]})
        first, second = router.json("dstm", "commit", "twice", "--lines", stdin=f"{line}\n{line}\n")
        assert (second.pop("dup"), second) == (True, first)
        assert router.json("dstm", "get", "twice", "/n") == [1]

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["get", "a.b"], "a space's name is of letters"),
            (["commit", "plain"], "say what to do: ops, or --lines"),
            (["commit", "plain", "/a=1", "--lines"], "say what to do: ops, or --lines"),
            (["commit", "plain", "/n+=x"], "/n+=x: not JSON"),
            (["watch", "plain", "a", "--partial"], "begins with '/'"),
            (["watch", "plain", "a"], "begins with '/'"),
            ([], "required: COMMAND"),
        ],
    )
    def test_called_wrongly(self, router: ClientRouter, arguments: list[str], reason: str) -> None:
        code, text = router.refused("dstm", *arguments)
        assert code == 2
        assert reason in text

    def test_a_line_that_is_no_transaction(self, router: ClientRouter) -> None:
        done = router.run("dstm", "commit", "plain", "--lines", stdin='{"opps": []}\n')
        assert done.returncode == 2
        assert "line 1: expected an array of ops, or an object of ops, reads" in done.stderr

    def test_a_space_that_is_none(self, router: ClientRouter) -> None:
        for verb in ("get", "watch"):
            code, text = router.refused("dstm", verb, "nowhere")
            assert (code, json.loads(text)["error"]) == (1, "dstm.error.no_such_space")


class TestWatch:
    @pytest.mark.parametrize("more", [[], ["--partial"]])
    def test_values_as_they_change(self, router: ClientRouter, more: list[str]) -> None:
        """First what is there, then each change at a pointer or below it, and nothing else."""
        before = len(router.json("dstm", "get", "watched")[0])
        arguments = ["watched", f"/a{before}", f"/n{before}", "--count", "5", "-v", *more]
        with router.start("dstm", "watch", *arguments) as watcher:
            watcher.until("watching watched")
            router.json("dstm", "commit", "watched", f"/a{before}:={{}}", "/other=x")
            watcher.until('"value": {}')
            router.json("dstm", "commit", "watched", "/other=y")
            router.json("dstm", "commit", "watched", f"/a{before}/b=c")
            watcher.until('"c"')
            line = json.dumps([{"op": "remove", "path": f"/a{before}"}])
            router.json("dstm", "commit", "watched", "--lines", stdin=line)
            assert watcher.ended() == 0
        values = [value.get("value", "missing") for value in watcher.values]
        assert values == ["missing", "missing", {}, {"b": "c"}, "missing"]

    def test_a_place_in_an_array(self, router: ClientRouter) -> None:
        router.json("dstm", "commit", "arrays", "/l:=[5]")
        with router.start("dstm", "watch", "arrays", "/l/0", "-n", "2", "-v") as watcher:
            watcher.until("watching")
            router.json("dstm", "commit", "arrays", "/l/0:=6")
            assert watcher.ended() == 0
        assert [value["value"] for value in watcher.values] == [5, 6]

    def test_a_time_that_passes(self, router: ClientRouter) -> None:
        assert len(router.json("dstm", "watch", "plain", "--timeout", "300")) == 1
        done = router.run("dstm", "watch", "plain", "--timeout", "300", "--count", "2")
        assert (done.returncode, done.stderr) == (5, "concord: 1 of 2 values came in time\n")

    def test_a_signal_is_its_end(self, router: ClientRouter) -> None:
        with router.start("dstm", "watch", "plain", "-v") as watcher:
            watcher.until("watching")
            assert watcher.stop(signal.SIGINT) == 0
        assert "Traceback" not in watcher.text

    @pytest.mark.parametrize("more", [[], ["--reconnect"]])
    def test_the_connection_is_lost(self, router: ClientRouter, more: list[str]) -> None:
        """Without ``--reconnect`` that is the end; with it what changed meanwhile is printed, and no more."""
        router.json("dstm", "commit", "lost", f"/a=before{len(more)}")
        with router.start("dstm", "watch", "lost", "/a", "-v", *more, *WHO) as watcher:
            watcher.until("watching")
            router.json("call", "wamp.session.kill_by_authid", "tina")
            if more:
                watcher.until("watching", 2)
                router.json("dstm", "commit", "lost", "/a=after")
                watcher.until('"after"')
                assert watcher.stop(signal.SIGINT) == 0
                assert [value["value"] for value in watcher.values] == ["before1", "after"]
            else:
                assert watcher.ended() == 3, watcher.text
        assert "Traceback" not in watcher.text
