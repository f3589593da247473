"""
What systemd is told of this process: that it is ready, reloads, lives, stops (sd_notify(3)).

Rules of this file:

- Without ``$NOTIFY_SOCKET`` nothing happens; a message that cannot be sent is logged once and harms nothing.
- The watchdog is fed from the reactor, so that a reactor that hangs is noticed.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

# systemd wants a sign of life within its time; half of that leaves room for a late one.
_PART_OF_WATCHDOG: Final = 0.5


class Systemd:
    """
    The service manager that has started this process, if there is one.

    ``environ`` is the environment; ``reactor`` is what the watchdog is fed from.
    """

    log = Logger("router.systemd")

    def __init__(self, reactor: Any, environ: Mapping[str, str] = os.environ) -> None:
        self._reactor = reactor
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog_seconds = _watchdog_seconds(environ)
        self._feeding: LoopingCall | None = None

    def ready(self, status: str) -> None:
        """Say that the start is complete, and feed the watchdog from now on; ``status`` is for people."""
        self.tell("READY=1", f"STATUS={status}")
        if self._watchdog_seconds:
            self._feeding = LoopingCall(self.tell, "WATCHDOG=1")
            self._feeding.clock = self._reactor
            self._feeding.start(self._watchdog_seconds * _PART_OF_WATCHDOG)

    def reload(self, reload: Callable[[], Any]) -> None:
        """Call ``reload``, which gives a Deferred, and say when it begins and when it ends."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}")
        reload().addBoth(lambda _: self.tell("READY=1"))

    def stopping(self) -> None:
        """Say that the stop has begun."""
        if self._feeding is not None and self._feeding.running:
            self._feeding.stop()
        self.tell("STOPPING=1")

    def tell(self, *states: str) -> None:
        """Send states, as ``READY=1``."""
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]  # a name without a file
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(states).encode(), address)
        except OSError as error:
            if self._address:
                self.log.warn("systemd is not told: {error}", error=error)
            if not isinstance(error, BlockingIOError):
                self._address = ""


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """Read ``$WATCHDOG_USEC``, if it is for this process; 0 means none."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() else 0.0
