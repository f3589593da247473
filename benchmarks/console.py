"""Measure the console: tasks over 50 ms while one looks at 10,000 sessions and a space of 100,000 keys.

    python -m benchmarks.console [--sessions N] [--keys N] [--seconds S] [--only VIEW]

Chromium opens each view of a full realm, scrolls through it, filters, and goes on looking while things
change. A task of the page's thread is counted by the time that it took and by the CPU time that it used:
where other processes disturb, believe the second. It needs Node, npm and Chromium (``CHROMIUM=path`` names
another one).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import load, targets
from .console_crowd import Crowd
from .dstm import columns
from .targets import Target

HERE = Path(__file__).parent
MODULES = HERE.parent / "tests" / "browser" / "console"  # what drives Chromium, by its lock file
LIMIT_S = 600.0
LONG_MS = 50
REALM = """
roles:
  anonymous: {permissions: [{uri: "", match: prefix, allow: [call, register, publish, subscribe]}]}
authentication: {anonymous: {role: anonymous}}
management: {roles: [anonymous], scope: node}
extensions: {dstm: {spaces: {large: {log: memory}}}}
"""


def console_target(rawsocket: int) -> Target:
    """The router of ``benchmarks.bench``, where everybody sees everything, with RawSocket beside it."""
    plain = targets.router_target("router", "uvloop")

    def command(directory: Path, port: int) -> list[str]:
        arguments = plain.command(directory, port)
        (directory / "config" / "realms" / "realm1.yaml").write_text(REALM)
        (directory / "config" / "router.yaml").write_text(
            "data_dir: data\ntransports:\n"
            f'  - {{type: rawsocket, endpoint: "tcp:{rawsocket}:interface=127.0.0.1"}}\n'
            f'  - {{type: websocket, endpoint: "tcp:{port}:interface=127.0.0.1"}}\n'
        )
        return arguments

    return Target("router", plain.about, command)


async def measure(port: int, rawsocket: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Fill the realm, look at it, and return the report of each view."""
    crowd = Crowd(rawsocket)
    try:
        print(f"  {options.sessions:,} sessions", file=sys.stderr)
        await crowd.gather(options.sessions)
        print(f"  {options.keys:,} keys", file=sys.stderr)
        await crowd.fill("large", options.keys)
        crowd.change("large", options.keys)
        return await look(port, options)
    finally:
        await crowd.stop()


async def look(port: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the browser; its last line is the report."""
    asked = {
        "url": f"http://127.0.0.1:{port}/",
        "chromium": os.environ.get("CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser"),
        "modules": str(MODULES / "package.json"),
        "seconds": options.seconds,
        "only": options.only,
    }
    program = await asyncio.create_subprocess_exec(
        "node", str(HERE / "console_views.mjs"), json.dumps(asked), stdout=subprocess.PIPE
    )
    try:
        output, _ = await asyncio.wait_for(program.communicate(), LIMIT_S)
    finally:
        if program.returncode is None:
            program.terminate()
            await program.wait()
    if program.returncode:
        raise RuntimeError("the browser's part failed")
    found: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
    return found


def table(reports: Sequence[dict[str, Any]]) -> str:
    """Return what was measured of each view."""
    head = [
        "",
        "tasks",
        f"> {LONG_MS} ms",
        "of CPU",
        "longest ms",
        "of CPU ms",
        "seen by the page",
        "CPU s",
    ]
    lines = [head]
    for report in reports:
        wide = [f"{report[name]:,}" for name in ("tasks", "long", "longOfCpu")]
        spans = [f"{report[name]:.0f}" for name in ("longest", "longestOfCpu")]
        lines.append([report["view"], *wide, *spans, f"{report['seen']:,}", f"{report['cpuSeconds']:.1f}"])
    return columns(lines)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.console", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--sessions", type=int, default=10_000, metavar="N")
    parser.add_argument("--keys", type=int, default=100_000, metavar="N")
    parser.add_argument(
        "--seconds", type=float, default=6.0, metavar="S", help="to look at each view while it changes"
    )
    parser.add_argument("--only", metavar="VIEW", help="this view alone, as sessions")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    load.raise_file_limit()
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=MODULES, check=True
    )
    rawsocket = targets.free_port()
    with tempfile.TemporaryDirectory() as scratch:
        running = targets.start(console_target(rawsocket), Path(scratch))
        try:
            reports = asyncio.run(measure(running.port, rawsocket, options))
        finally:
            running.stop()
    print(table(reports))
    for report in reports:
        for task in report["worst"]:
            print(f"  {report['view']}: {task['cpu']:.0f} ms of CPU while {task['doing']}: {task['what']}")


if __name__ == "__main__":
    main()
