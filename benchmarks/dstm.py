"""Measure DSTM: commits, their latency, deltas, resynchronization, large documents, recovery.

Rules of this file: what is compared is measured in one run, in turns (A B A B), and a cell is the median of
its rounds. Clients are those of the load generator, which checks every answer and every delta; the router
runs on the first core. The ratios at the end are the ones that count.

    python -m benchmarks.dstm [--quick] [--only PART] [--duration S] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import load, targets
from .dstm_recovery import recovery_seconds
from .dstm_resync import resync
from .targets import Running, Target

CLIENTS = (1, 8, 64)
WORKLOADS = {
    "1 key": ["--keys", "1"],
    "many keys": ["--keys", "10000"],
    "10 % conflicts": ["--keys", "10000", "--conflicts", "10"],
}
LARGE_KEYS = 100_000
SUBSCRIBERS = (100, 1000)
COMMITS = ("commit", "--space", "memory", "--keys", "10000")
INCREMENTS = ("commit", "--space", "memory", "--keys", "1")
EXTENSIONS = """
extensions:
  dstm:
    spaces:
      memory: {log: memory}
      sqlite: {log: sqlite}
      small: {log: memory}
      large: {log: memory}
      deltas: {log: memory}
"""


def dstm_target() -> Target:
    """The router of ``benchmarks.bench``, with spaces to measure, and its data beside its configuration."""
    plain = targets.router_target("router", "uvloop")

    def command(directory: Path, port: int) -> list[str]:
        arguments = plain.command(directory, port)
        realm = directory / "config" / "realms" / "realm1.yaml"
        head, _, _ = realm.read_text().partition("\nextensions:")
        realm.write_text(head + EXTENSIONS)
        return arguments

    return Target("router", plain.about, command)


class Bench:
    """One run: the router, and what was measured, name of the measurement -> reports."""

    def __init__(self, generator: Path, running: Running, options: argparse.Namespace) -> None:
        self.generator = generator
        self.running = running
        self.options = options
        self.reports: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def take(self, name: str, *arguments: str) -> None:
        """Measure once, and keep the report under ``name``."""
        print(f"  {name}", file=sys.stderr)
        seconds = self.options.duration
        timing = ["--duration", str(seconds), "--warmup", str(min(1.0, seconds / 2))]
        limit = seconds + load.PATIENCE_S
        report = load.run(self.generator, [*arguments, *timing], self.running.port, self.running.pid, limit)
        operations = (
            report.get("deliveries") or report.get("deltas") or report.get("calls") or report["commits"]
        )
        report["cpu_us"] = report["router_cpu_s"] / operations * 1e6 if operations else 0.0
        self.reports[name].append(report)

    def median(self, name: str, key: str) -> float:
        return statistics.median(report[key] for report in self.reports[name])


def fsync_seconds(directory: Path) -> float:
    """Return the median time of appending 8 KiB to a file and waiting until it is on the disk."""
    times = []
    with open(directory / "fsync", "wb") as file:
        for _ in range(200):
            file.write(os.urandom(8192))
            began = time.perf_counter()
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def commits(bench: Bench) -> str:
    """Commits and their latency, by log, clients and keys; beside them the calls of the same router."""
    bench.take("calls", "rpc", "--callers", "4", "--window", "64")
    bench.take("memory, 4 clients, many keys, window 64", *COMMITS, "--clients", "4", "--window", "64")
    bench.take("memory, 4 clients, 1 key, window 64", *INCREMENTS, "--clients", "4", "--window", "64")
    for log in ("memory", "sqlite"):
        for clients in CLIENTS:
            for workload, arguments in WORKLOADS.items():
                wide = ["--space", log, "--clients", str(clients), *arguments, "--window", "1"]
                bench.take(f"{log}, {clients} clients, {workload}", "commit", *wide)
    lines = [["", "per second", "conflicts/s", "p50 us", "p99 us", "CPU us for each"]]
    for name in bench.reports:
        if "clients" not in name and name != "calls":
            continue
        first = "commits_per_s" if "clients" in name else "calls_per_s"
        keys = (first, "conflicts_per_s", "lat_p50_us", "lat_p99_us")
        cells = [f"{bench.median(name, key):,.0f}" if key in bench.reports[name][0] else "-" for key in keys]
        title = name if "clients" in name else "calls, 4 callers, window 64"
        lines.append([title, *cells, f"{bench.median(name, 'cpu_us'):.1f}"])
    return columns(lines)


def deltas(bench: Bench) -> str:
    """Deltas to subscribers, beside plain events of about their size to as many."""
    size = 190  # characters: a delta of one replaced value of 64, with its array and its meta
    lines = [["", "deliveries/s", "CPU us for each"]]
    for count in SUBSCRIBERS:
        subscribers = ("--subs", str(count), "--window", "16")
        bench.take(f"events to {count:,}", "fanout", *subscribers, "--payload", str(size))
        space = ("--space", "deltas", "--clients", "1", "--keys", "10000")
        bench.take(f"deltas to {count:,}", "commit", *space, *subscribers)
        for name in (f"events to {count:,}", f"deltas to {count:,}"):
            rate, cpu = bench.median(name, "deliveries_per_s"), bench.median(name, "cpu_us")
            lines.append([name, f"{rate:,.0f}", f"{cpu:.2f}"])
    return columns(lines)


def large(bench: Bench) -> str:
    """The same commits on 100 keys, and on 100,000 of about 10 MB."""
    common = ("--clients", "8", "--window", "16", "--payload", "80")
    bench.take("100 keys", "commit", "--space", "small", "--keys", "100", *common[:2], "--window", "4")
    bench.take(
        "100,000 keys", "commit", "--space", "large", "--keys", str(LARGE_KEYS), *common[:2], "--window", "4"
    )
    lines = [["", "commits/s", "CPU us for each"]]
    for name in ("100 keys", "100,000 keys"):
        lines.append(
            [name, f"{bench.median(name, 'commits_per_s'):,.0f}", f"{bench.median(name, 'cpu_us'):.1f}"]
        )
    return columns(lines)


def ratios(bench: Bench, fsync: float) -> str:
    """The figures that are held against each other."""
    lines = [["ratio", "measured", "wanted"]]
    calls = bench.median("calls", "calls_per_s") if "calls" in bench.reports else 0.0
    if "memory, 64 clients, many keys" in bench.reports:
        for workload in ("many keys", "1 key"):
            rate = bench.median(f"memory, 4 clients, {workload}, window 64", "commits_per_s")
            text = f"commits, memory log, {workload} / calls, 4 x window 64"
            lines.append([text, f"{rate / calls:.2f}", ">= 0.35"])
        durable = bench.median("sqlite, 64 clients, many keys", "commits_per_s")
        limit = min(bench.median("memory, 64 clients, many keys", "commits_per_s"), 64 / fsync)
        text = "commits, SQLite / min(memory, clients / fsync), 64 clients"
        lines.append([text, f"{durable / limit:.2f}", ">= 0.70"])
    for count in SUBSCRIBERS:
        if (name := f"deltas to {count:,}") in bench.reports:
            events = bench.median(f"events to {count:,}", "deliveries_per_s")
            ratio = bench.median(name, "deliveries_per_s") / events
            lines.append([f"deltas / events of their size, to {count:,}", f"{ratio:.2f}", ">= 0.90"])
    if "100 keys" in bench.reports:
        ratio = bench.median("100,000 keys", "cpu_us") / bench.median("100 keys", "cpu_us")
        lines.append(["CPU of a commit, 100,000 keys / 100 keys", f"{ratio:.2f}", "<= 1.50"])
    return columns(lines)


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Return the lines as a table: the first column to the left, the others to the right."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    padded = ([cell.rjust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *cells[1:]]) for line, cells in zip(lines, padded, strict=True)
    )


PARTS: dict[str, Callable[[Bench], str]] = {
    "commits": commits,
    "deltas": deltas,
    "large": large,
    "resync": resync,
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dstm", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of 1 s, a log of 50,000 commits")
    parser.add_argument("--only", action="append", choices=[*PARTS, "recovery"], default=[])
    parser.add_argument("--duration", type=float, help="seconds for each measurement (3)")
    parser.add_argument("--rounds", type=int, help="rounds, of which the median is shown (3)")
    parser.add_argument("--log-commits", type=int, help="commits in the log that is recovered (1,000,000)")
    options = parser.parse_args(arguments)
    usual = (1.0, 1, 50_000) if options.quick else (3.0, 3, 1_000_000)
    for name, value in zip(("duration", "rounds", "log_commits"), usual, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def measure(options: argparse.Namespace, scratch: Path, stack: ExitStack) -> None:
    running = targets.start(dstm_target(), scratch)
    stack.callback(running.stop)
    bench = Bench(load.build(), running, options)
    fsync = fsync_seconds(scratch)
    chosen = [name for name in PARTS if not options.only or name in options.only]
    tables: dict[str, str] = {}
    for _ in range(options.rounds):
        for name in chosen:
            tables[name] = PARTS[name](bench)
    for name, table in tables.items():
        print(f"\n{PARTS[name].__doc__}\n{table}")
    print(f"\nfsync of 8 KiB: {fsync * 1e6:,.0f} us (median)\n{ratios(bench, fsync)}")


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load.raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, ExitStack() as stack:
        try:
            if not options.only or set(options.only) != {"recovery"}:
                measure(options, Path(scratch), stack)
            if not options.only or "recovery" in options.only:
                seconds, size = recovery_seconds(Path(scratch), options.log_commits)
                text = f"recovery of {options.log_commits:,} commits with a snapshot: {seconds:.2f} s"
                print(f"\n{text}, from {size / 1e6:,.0f} MB")
        except (load.LoadFailed, targets.NotStarted) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
