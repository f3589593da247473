"""Measure the router beside the bare reference, the toy router and crossbar, and print one table.

Rules of this file: all targets take turns within each row (A B C A B C), and a cell is the median of its
rounds, since the speed of a machine drifts; what counts is the ratio.  A run that lost, doubled, reordered or
damaged anything gives no number.  The CPU time for each operation holds even where other processes disturb.
Whatever was started is stopped, also upon Ctrl-C.

    python -m benchmarks.bench [--quick] [--only ROW] [--duration S] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import load, targets
from .targets import Running, Target


@dataclass(frozen=True)
class Figure:
    """One line of the table: ``key`` of a report, times ``scale``, with ``digits`` behind the point."""

    title: str
    key: str
    scale: float = 1.0
    digits: int = 0


@dataclass(frozen=True)
class Row:
    """One measurement, by its name for ``--only``: a scenario and what is taken from its report."""

    name: str
    arguments: tuple[str, ...]
    figures: tuple[Figure, ...]
    idle: bool = False  # while many idle sessions are open
    fresh: bool = False  # in a process of its own


def throughput(name: str, title: str, key: str, arguments: str) -> Row:
    cpu = Figure("  its CPU time, us for each", "cpu_us", digits=2)
    return Row(name, tuple(arguments.split()), (Figure(title, key), cpu))


def latency(name: str, title: str, arguments: str, idle: bool = False) -> Row:
    keys = {"p50": "lat_p50_us", "p99": "lat_p99_us", "p99.9": "lat_p999_us"}
    figures = tuple(Figure(f"{title}, {label} us", key) for label, key in keys.items())
    return Row(name, tuple(arguments.split()), figures, idle=idle)


EVENTS, CALLS = "rate --mode fanout --subs 10 --rate 5000", "rate --mode rpc --callers 4 --rate 20000"
ROWS = [
    throughput("calls-1", "calls/s, window 1", "calls_per_s", "rpc --callers 1 --window 1"),
    throughput("calls-256", "calls/s, 4 callers x window 64", "calls_per_s", "rpc --callers 4 --window 64"),
    *(
        throughput(
            f"fanout-{n}", f"deliveries/s, 1 to {n:,}", "deliveries_per_s", f"fanout --subs {n} --window 16"
        )
        for n in (1, 10, 100, 1000)
    ),
    throughput(
        "pairs", "deliveries/s, 32 pairs x window 8", "deliveries_per_s", "pairs --pairs 32 --window 8"
    ),
    latency("paced-events", "5,000 events/s to 10", EVENTS),
    latency("paced-calls", "20,000 calls/s", CALLS),
    latency("idle-events", "the events, {idle:,} idle sessions", EVENTS, idle=True),
    latency("idle-calls", "the calls, {idle:,} idle sessions", CALLS, idle=True),
    Row(
        "sessions",
        ("connect", "--concurrency", "64", "--hold", "0.5"),
        (
            Figure("start to listening, ms", "start_ms"),
            Figure("idle memory, MB", "idle_bytes", 1e-6, 1),
            Figure("connections/s, HELLO to SUBSCRIBED", "sessions_per_s"),
            Figure("memory per idle session, bytes", "rss_bytes_per_session"),
        ),
        fresh=True,
    ),
]
RATIOS = [
    ("router", "bare"),
    ("router", "serve"),
    ("bare", "serve"),
    ("router-epoll", "router"),
    ("router-epoll", "bare-epoll"),
    ("router", "crossbar"),
]


@dataclass
class Bench:
    """One run: what was chosen, what runs, and what was measured."""

    generator: Path
    scratch: Path
    chosen: list[Target]
    options: argparse.Namespace
    running: dict[str, Running] = field(default_factory=dict)  # target name -> its process
    reports: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    troubles: list[str] = field(default_factory=list)

    def start_all(self, stack: ExitStack) -> None:
        """Start each target; leave out those that do not start."""
        for target in list(self.chosen):
            try:
                running = targets.start(target, self.scratch)
            except targets.NotStarted as error:
                self.trouble(str(error))
                self.chosen.remove(target)
                continue
            stack.callback(running.stop)
            self.running[target.name] = running

    def trouble(self, text: str) -> None:
        self.troubles.append(text)
        print(f"  {text}", file=sys.stderr)

    def bury(self, name: str) -> None:
        """Measure ``name`` no more if its process has ended."""
        running = self.running.get(name)
        if running is not None and (status := running.process.poll()) is not None:
            self.trouble(f"{name} ended with exit status {status}: {running.last_words()}")
            del self.running[name]

    def measure(self, rows: Sequence[Row]) -> None:
        """Measure ``rows``, which share a state of the targets, ``--rounds`` times on each target in turn."""
        for number in range(self.options.rounds):
            for target in self.chosen:
                try:
                    for row, report in self.reports_of(rows, target):
                        self.reports[row.name, target.name].append(report)
                except (load.LoadFailed, targets.NotStarted) as error:
                    self.trouble(f"{rows[0].name}, {target.name}, round {number + 1}: {error}")
                    self.bury(target.name)

    def reports_of(self, rows: Sequence[Row], target: Target) -> Iterator[tuple[Row, dict[str, Any]]]:
        if rows[0].fresh:
            yield rows[0], self.fresh_report(rows[0], target)
            return
        running = self.running.get(target.name)
        if running is None:
            return
        with ExitStack() as stack:
            if rows[0].idle:
                count = self.options.idle
                stack.enter_context(load.idle_sessions(self.generator, count, running.port, running.pid))
            for row in rows:
                yield row, self.report(row, running)

    def report(self, row: Row, running: Running, *more: str) -> dict[str, Any]:
        print(f"  {row.name}: {running.target.name}", file=sys.stderr)
        seconds = self.options.duration
        timing = ["--duration", f"{seconds}", "--warmup", f"{min(1.0, seconds / 2)}"]
        arguments = [*row.arguments, *more, *timing]
        report = load.run(self.generator, arguments, running.port, running.pid, seconds + load.PATIENCE_S)
        operations = report.get("deliveries") or report.get("calls")
        if operations and "router_cpu_s" in report:
            report["cpu_us"] = report["router_cpu_s"] / operations * 1e6
        return report

    def fresh_report(self, row: Row, target: Target) -> dict[str, Any]:
        running = targets.start(target, self.scratch)
        try:
            idle_bytes = load.resident_bytes(running.pid)
            report = self.report(row, running, "--sessions", str(self.options.sessions))
            return report | {"start_ms": running.started_s * 1000, "idle_bytes": idle_bytes}
        finally:
            running.stop()

    def median(self, row: Row, figure: Figure, target: str) -> float | None:
        values = [report[figure.key] for report in self.reports[row.name, target] if figure.key in report]
        return statistics.median(values) * figure.scale if values else None


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows that are measured together: those with idle sessions, and each other one alone."""
    idle = [row for row in rows if row.idle]
    return [[row] for row in rows if not row.idle] + ([idle] if idle else [])


def shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def quotient(above: float | None, below: float | None) -> str:
    if above is None or not below:
        return "-"
    ratio = above / below
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"


def table(bench: Bench, rows: Sequence[Row]) -> str:
    """Return the table: a line for each figure, a column for each target, then one for each ratio."""
    names = [target.name for target in bench.chosen]
    ratios = [(above, below) for above, below in RATIOS if above in names and below in names]
    lines = [["", *names, *(f"{above}/{below}" for above, below in ratios)]]
    for row in rows:
        for figure in row.figures:
            cells = {name: bench.median(row, figure, name) for name in names}
            lines.append(
                [
                    figure.title.format(idle=bench.options.idle),
                    *(shown(cells[name], figure.digits) for name in names),
                    *(quotient(cells[above], cells[below]) for above, below in ratios),
                ]
            )
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join("  ".join(aligned(line, widths)) for line in lines)


def aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the cells of a line, padded: the first to the left, the others to the right."""
    padded = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
    return [line[0].ljust(widths[0]), *padded[1:]]


def remarks(bench: Bench) -> list[str]:
    """Return what a reader must know before believing the table."""
    said = []
    for (row, target), reports in bench.reports.items():
        own = statistics.median(report.get("self_cpu_pct", 0) for report in reports) if reports else 0
        theirs = statistics.median(report.get("router_cpu_pct", 0) for report in reports) if reports else 0
        if own > 90 > theirs:
            said.append(
                f"{row}, {target}: the generator was the bottleneck ({own:.0f} % against {theirs:.0f} %)"
            )
    others = [
        report["other_cpu_pct"]
        for all_ in bench.reports.values()
        for report in all_
        if "other_cpu_pct" in report
    ]
    if others and statistics.median(others) > 15:
        said.append(
            f"other processes used {statistics.median(others):.0f} % of a core: measure on a quiet machine"
        )
    return [*bench.troubles, *said]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    names = ", ".join(row.name for row in ROWS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        description="Measure the router beside the bare reference and others.",
        epilog=f"Rows: {names}. Environment: CROSSBAR=path of a crossbar executable, WAMPLOAD=path of "
        "another generator, BENCH_TWISTD=command in place of twistd, CC=compiler.",
    )
    parser.add_argument("--quick", action="store_true", help="one round of 1 s, 1,000 idle sessions")
    parser.add_argument(
        "--only", action="append", metavar="ROW", choices=[row.name for row in ROWS], default=[]
    )
    parser.add_argument(
        "--target", action="append", metavar="NAME", default=[], help="measure these targets only"
    )
    parser.add_argument("--duration", type=float, help="seconds for each measurement (3)")
    parser.add_argument("--rounds", type=int, help="rounds, of which the median is shown (3)")
    parser.add_argument("--idle", type=int, help="idle sessions for the rows that have them (10,000)")
    parser.add_argument("--sessions", type=int, help="sessions to open for connections/s and memory (2,000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every report to FILE")
    options = parser.parse_args(arguments)
    usual = (1.0, 1, 1000, 500) if options.quick else (3.0, 3, 10_000, 2000)
    for name, value in zip(("duration", "rounds", "idle", "sessions"), usual, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def choose(available: list[Target], wanted: Sequence[str]) -> list[Target]:
    """Return the targets whose names are wanted; all, if none is."""
    names = [target.name for target in available]
    if unknown := set(wanted) - set(names):
        raise SystemExit(f"--target {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    return [target for target in available if not wanted or target.name in wanted]


def write_json(bench: Bench, path: Path) -> None:
    reports: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for (row, target), measured in bench.reports.items():
        reports.setdefault(row, {})[target] = measured
    machine = {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    path.write_text(json.dumps({"machine": machine, "reports": reports, "remarks": remarks(bench)}, indent=1))


def bench_all(bench: Bench, rows: Sequence[Row]) -> None:
    """Start the targets, measure, and stop them."""
    files = load.raise_file_limit()
    if bench.options.idle > files - 500:
        bench.trouble(f"only {files} open files are allowed: {files - 500} idle sessions")
        bench.options.idle = files - 500
    with ExitStack() as stack:
        bench.start_all(stack)
        for group in groups(rows):
            bench.measure(group)


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        generator = load.build()
    except load.LoadFailed as error:
        print(error, file=sys.stderr)
        return 1
    rows = [row for row in ROWS if not options.only or row.name in options.only]
    chosen = choose(targets.all_targets(generator, os.environ.get("CROSSBAR")), options.target)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        bench = Bench(generator, Path(scratch), chosen, options)
        interrupted = False
        try:
            bench_all(bench, rows)
        except KeyboardInterrupt:
            interrupted = True
        print(table(bench, rows))
        for remark in remarks(bench):
            print("note:", remark)
        if options.json:
            write_json(bench, options.json)
    return 130 if interrupted else 1 if bench.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
