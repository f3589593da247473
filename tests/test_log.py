"""What is kept of the log, and how a line of JSON looks."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest_twisted
from node_bench import Bench, write
from twisted.logger import FileLogObserver, FilteringLogObserver, Logger, LogPublisher
from twisted.python.failure import Failure

from router.log import LogLevels, json_line


def settings(level: str = "info", **levels: str) -> Any:
    return SimpleNamespace(
        level=level, levels={name.replace("_", "."): kept for name, kept in levels.items()}
    )


class Lines:
    """A log of JSON; a call gives the lines since the last."""

    def __init__(self, levels: LogLevels) -> None:
        self._file = io.StringIO()
        observer: Any = FileLogObserver(self._file, json_line)
        self._publisher = LogPublisher(FilteringLogObserver(observer, [levels]))

    def logger(self, namespace: str) -> Logger:
        return Logger(namespace, observer=self._publisher)

    def __call__(self) -> list[Any]:
        text = self._file.getvalue()
        self._file.seek(0)
        self._file.truncate()
        return [json.loads(line) for line in text.splitlines()]


class TestLevels:
    def kept(self, levels: LogLevels, namespace: str) -> list[str]:
        lines = Lines(levels)
        logger = lines.logger(namespace)
        for level in ("debug", "info", "warn", "error", "critical"):
            getattr(logger, level)("x")
        return [line["level"] for line in lines()]

    def test_one_level_for_all(self) -> None:
        assert self.kept(LogLevels(settings("warn")), "router.node") == ["warn", "error", "critical"]

    def test_a_level_for_a_part_and_what_is_below_it(self) -> None:
        levels = LogLevels(settings("critical", router_node="debug", router="error"))
        assert self.kept(levels, "router.node")[0] == "debug"
        assert self.kept(levels, "router.node.more")[0] == "debug"
        assert self.kept(levels, "router.nodes") == ["error", "critical"]
        assert self.kept(levels, "other") == ["critical"]

    def test_set_and_taken_back(self) -> None:
        levels = LogLevels(settings("error"))
        assert self.kept(levels, "a.b") == ["error", "critical"]
        levels.set("a", "info")
        assert self.kept(levels, "a.b") == ["info", "warn", "error", "critical"]
        levels.set("a", None)
        assert self.kept(levels, "a.b") == ["error", "critical"]
        levels.set("", "critical")
        assert self.kept(levels, "a.b") == ["critical"]
        levels.configure(settings("warn"))
        assert self.kept(levels, "a.b") == ["warn", "error", "critical"]

    def test_many_namespaces(self) -> None:
        levels = LogLevels(settings("warn"))
        assert not any(levels.keeps(f"n{i}", None) is False for i in range(2000))


class TestLines:
    def test_everything_has_its_place(self) -> None:
        lines = Lines(LogLevels(settings()))
        lines.logger("router.x").warn("{who} did {what!r}", who="alice", what=[1], count=2**60, ok=True)
        [line] = lines()
        assert line.pop("time").endswith("Z")
        fields = {"who": "alice", "what": "[1]", "count": str(2**60), "ok": True}
        assert line == {
            "level": "warn",
            "namespace": "router.x",
            "message": "alice did [1]",
            "fields": fields,
        }

    def test_a_traceback(self) -> None:
        lines = Lines(LogLevels(settings()))
        try:
            raise ValueError("bad")
        except ValueError:
            lines.logger("x").failure("it failed", Failure())
        [line] = lines()
        assert (line["level"], line["message"]) == ("critical", "it failed")
        assert "ValueError: bad" in line["traceback"]
        assert "fields" not in line

    def test_one_line_whatever_is_logged(self) -> None:
        class Bad:
            def __str__(self) -> str:
                raise RuntimeError

            __repr__ = __str__

        lines = Lines(LogLevels(settings()))
        lines.logger("x").info("a\nb{c}", c=Bad(), nan=float("nan"), text="\ud800\n")
        [line] = lines()
        assert line["fields"]["c"] == "<Bad: RuntimeError>"
        assert line["fields"]["nan"] == "nan"


class TestReload:
    @pytest_twisted.ensureDeferred
    async def test_levels_change_with_the_configuration(self, bench: Bench) -> None:
        node = bench.node()
        node.log_levels = LogLevels(node.configuration.node.log)
        node.log_levels.set("router", "debug")
        await node.reload()
        assert node.log_levels.by_namespace == {"": "info", "router": "debug"}
        write(bench.directory, log={"level": "error", "levels": {"router.node": "debug"}})
        await node.reload()
        assert node.log_levels.by_namespace == {"": "error", "router.node": "debug"}
        assert not [line for line in bench.log.lines("warn") if "next start" in line]
        write(bench.directory, log={"format": "json"})
        await node.reload()
        assert "changed log.format in router.yaml: takes effect at the next start" in bench.log.lines("warn")
