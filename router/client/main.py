"""
A command from its options to its exit code.

Rules of this file:

- A module of a command has ``command(options) -> Command``, which checks the options before anything
  connects; ``Command.work`` does it over a session, and over the next one after a lost connection.
- SIGINT and SIGTERM cancel the work; the session leaves politely, a second signal ends at once. Commands
  that have no end of their own (``is_endless``) end well by a signal.
"""

import argparse
import asyncio
import importlib
import os
import random
import signal
import sys
from typing import Any, Protocol

from router.client.connection import Connection, attend
from router.client.failures import GOOD, Failure, NotConnected, UsageError
from router.client.outputs import note, report
from router.client.session import Session
from router.client.settings import Settings, settings

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0


class Command(Protocol):
    """
    What a command does.

    :ivar is_endless: whether a signal is its usual end
    :ivar deadline: by the loop's clock, when ``--timeout`` has passed; None where that is not known
    """

    is_endless: bool
    deadline: float | None

    async def work(self, connection: Connection, session: Session) -> int:
        """Do it over this session; give the exit code."""


def run(options: argparse.Namespace) -> int:
    """Run the command that ``options`` name; give the exit code."""
    try:
        place = settings(options)
        command: Command = importlib.import_module(f"router.client.{options.module}").command(options)
        return asyncio.run(_run(place, command, bool(getattr(options, "reconnect", False))))
    except UsageError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:  # before there was anything to cancel
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever reads has seen enough. Python would complain again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD


async def _run(place: Settings, command: Command, is_reconnecting: bool) -> int:
    caught: list[signal.Signals] = []
    task = asyncio.ensure_future(_persevere(place, command, is_reconnecting))

    def stop(number: signal.Signals) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except Failure as error:
        report(error)
        return error.exit_code
    except asyncio.CancelledError:
        return GOOD if command.is_endless else 128 + caught[0]


async def _persevere(place: Settings, command: Command, is_reconnecting: bool) -> int:
    """Do the work over one session after the other, until it is done or refused."""
    delay = FIRST_DELAY_SECONDS
    while True:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await attend(place, lambda connection, session: _told(place, command, connection, session))
        except NotConnected as error:
            is_over = command.deadline is not None and loop.time() >= command.deadline
            if is_over or not is_reconnecting:
                raise
            note(f"{error}; trying again")
        if loop.time() - began > LONGEST_DELAY_SECONDS:
            delay = FIRST_DELAY_SECONDS
        await asyncio.sleep(delay * random.uniform(0.5, 1))
        delay = min(LONGEST_DELAY_SECONDS, delay * 2)


async def _told(place: Settings, command: Command, connection: Connection, session: Session) -> int:
    if place.is_verbose:
        details: dict[str, Any] = session.joined.result()
        who = f"{details.get('authid')} ({details.get('authrole')}, by {details.get('authmethod')})"
        note(f"joined {place.realm} as {who}, session {session.session_id}")
    return await command.work(connection, session)
