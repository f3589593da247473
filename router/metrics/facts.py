"""What there is to know of a node and of its process, as plain values."""

import os
import platform
import socket
import time
from pathlib import Path
from typing import Any

from router import __version__


def node_facts(node: Any) -> dict[str, Any]:
    """Tell what this router is, where it listens, and how it is."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "reactor": type(node.reactor).__name__,
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
        "started": node.started,
        "configuration": str(node.configuration.directory),
        "realms": sorted(node.directory.realms),
        "transports": [
            {
                "name": listener.settings.name,
                "endpoint": listener.settings.endpoint,
                "connections": len(listener.connections),
                "connections_limit": listener.settings.connections,
            }
            for listener in node.listeners
        ],
        **node_stats(node),
    }


def node_stats(node: Any) -> dict[str, Any]:
    """Give the numbers of a node as they are now, and what it has counted since the start."""
    delay = node.pulse.delays.quantile(0.99)
    return {
        "uptime_ms": round((node.turn.now() - node.started_at) * 1000),
        "connections": sum(len(listener.connections) for listener in node.listeners),
        "memory_bytes": memory_bytes(),
        "cpu_ms": round(time.process_time() * 1000),
        "open_files": open_files(),
        "reactor_delay_p99_ms": None if delay is None else delay * 1000,
        "counters": dict(node.counters),
    }


def memory_bytes() -> int | None:
    """Give the resident memory of this process, where the system tells it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int | None:
    """Give the number of open files of this process, where the system tells it."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None
