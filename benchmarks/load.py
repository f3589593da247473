"""The load generator: compile it, and run it against a target.

Rules of this file: a generator is a program with the command line of ``generator/main.c``, whose last line
of output is one JSON object, and whose exit status is 0 where every answer and event was right.
``WAMPLOAD=path`` names another one.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = HERE / "generator"
BUILT = HERE / "build" / "generator"
PATIENCE_S = 120.0  # for 10,000 sessions to open


class LoadFailed(Exception):
    """A generator did not end well: the text says why."""


def compiler() -> str | None:
    """Return the C compiler: ``CC``, cc or gcc; None if there is none."""
    return next(
        (found for name in (os.environ.get("CC"), "cc", "gcc") if name and (found := shutil.which(name))),
        None,
    )


def build(into: Path = BUILT) -> Path:
    """
    Return the generator, compiled if its sources are newer; or the one that ``WAMPLOAD`` names.

    Raises:
        LoadFailed: there is no compiler, or it failed.
    """
    if named := os.environ.get("WAMPLOAD"):
        return Path(named).resolve()
    sources = sorted(SOURCES.glob("*.c"))
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    if into.exists() and into.stat().st_mtime > newest:
        return into
    cc = compiler()
    if cc is None:
        raise LoadFailed(
            "no C compiler (cc or gcc) to build the generator: install one, or set WAMPLOAD=path"
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    command = [cc, "-std=c11", "-O2", "-Wall", "-Wextra", "-o", str(into), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise LoadFailed(f"{cc} failed:\n{done.stderr}")
    return into


def raise_file_limit() -> int:
    """Raise this process's limit of open files, which its children inherit; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def pinned(command: Sequence[str], place: int) -> list[str]:
    """Return ``command`` bound to the core of its place: 0 for the target, 1 for the generator."""
    taskset = shutil.which("taskset")
    if taskset is None or not hasattr(os, "sched_getaffinity"):
        return list(command)
    cores = sorted(os.sched_getaffinity(0))
    return [taskset, "-c", str(cores[place % len(cores)]), *command]


def last_json(output: str) -> dict[str, Any]:
    """Return the JSON object in the last line of ``output``; {} if there is none."""
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def run(generator: Path, arguments: Sequence[str], port: int, pid: int, limit_s: float) -> dict[str, Any]:
    """
    Run one scenario against ``port``, measuring process ``pid``; return its report.

    Raises:
        LoadFailed: something was lost, doubled, reordered or wrong, or it took more than ``limit_s`` seconds.
    """
    command = pinned([str(generator), *arguments, "--port", str(port), "--path", "/ws", "--pid", str(pid)], 1)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"not finished after {limit_s:.0f} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    report = last_json(output)
    if process.returncode or not report.get("ok"):
        reason = report.get("error") or errors.strip() or f"exit status {process.returncode}"
        raise LoadFailed(str(reason).splitlines()[-1])
    return report


def family(pid: int) -> list[int]:
    """Return ``pid`` and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(found for child in children for found in family(int(child)))]


def open_files(pid: int) -> int:
    """Return how many files ``pid`` and its descendants have open."""
    total = 0
    for member in family(pid):
        try:
            total += len(os.listdir(f"/proc/{member}/fd"))
        except OSError:
            continue
    return total


def cpu_ticks(pid: int) -> int:
    """Return the CPU time that ``pid`` and its descendants have used, in clock ticks."""
    total = 0
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total


def resident_bytes(pid: int) -> int:
    """Return the resident memory of ``pid`` and its descendants."""
    total = 0
    for member in family(pid):
        try:
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total


def settle(pid: int, deadline: float) -> None:
    """Wait until ``pid`` has used nearly no CPU for half a second, or until ``deadline``."""
    while time.monotonic() < deadline:
        before = cpu_ticks(pid)
        time.sleep(0.5)
        if cpu_ticks(pid) - before <= 2:
            return


@contextmanager
def idle_sessions(generator: Path, count: int, port: int, pid: int) -> Iterator[None]:
    """
    Hold ``count`` sessions open, each with one subscription, for the time of the ``with`` block.

    Raises:
        LoadFailed: they could not all be opened.
    """
    arguments = ["connect", "--sessions", str(count), "--concurrency", "64", "--hold", "3600"]
    command = pinned([str(generator), *arguments, "--port", str(port), "--path", "/ws"], 1)
    wanted = open_files(pid) + count
    holder = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while open_files(pid) < wanted:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise LoadFailed(f"{count} idle sessions: {_reason(holder)}")
            time.sleep(0.1)
        settle(pid, deadline)
        yield
    finally:
        _end(holder)


def _reason(holder: subprocess.Popen[str]) -> str:
    if holder.poll() is None:
        return f"not open after {PATIENCE_S:.0f} s"
    assert holder.stderr is not None
    return (holder.stderr.read().strip() or f"exit status {holder.returncode}").splitlines()[0]


def _end(holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGTERM)
    try:
        holder.wait(30)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.wait()
    if holder.stderr is not None:
        holder.stderr.close()
