"""
``concord dstm get``, ``watch`` and ``commit``: shared objects, from the command line.

``get`` and ``commit`` are calls of ``dstm.<space>.get`` and ``commit``; ``watch`` keeps a replica by
``realms.dstm.client``.
"""

import argparse
import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from router.client.connection import Connection
from router.client.dstm_ops import op
from router.client.failures import GOOD, NotConnected, TimedOut, UsageError, WampError
from router.client.inputs import Payload, strict_json
from router.client.lines import each_text
from router.client.outputs import note, report, show
from router.client.session import Answer, Session

NOTHING = "concord.error.nothing_there"

_MEMBERS = ("ops", "reads", "base", "epoch", "want", "publish", "tx")


class Read(NamedTuple):
    """What was at one pointer."""

    value: Any
    is_missing: bool
    version: int
    epoch: str


class Get:
    """Values at pointers, all of one version."""

    is_endless = False
    deadline: float | None = None

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._space = _space(arguments.space)
        self._pointers = list(dict.fromkeys(arguments.pointers)) or [""]
        self._is_full = arguments.full
        self._at: dict[str, Any] = {}
        for name in ("at", "min_version"):
            if getattr(arguments, name) is not None:
                self._at[name] = getattr(arguments, name)

    async def work(self, connection: Connection, session: Session) -> int:
        """Read one pointer after the other, the first version for all."""
        reads: dict[str, Read] = {}
        at = self._at
        for pointer in self._pointers:
            reads[pointer] = read = await self._read(session, pointer, at)
            at = {"at": read.version, "epoch": read.epoch}
        if self._is_full:
            values = {pointer: read.value for pointer, read in reads.items() if not read.is_missing}
            missing = [pointer for pointer, read in reads.items() if read.is_missing]
            show({"version": read.version, "epoch": read.epoch, "values": values, "missing": missing})
        elif len(reads) == 1:
            if read.is_missing:
                raise WampError(NOTHING, [f"nothing is at {pointer!r}"])
            show(read.value)
        else:
            show({pointer: read.value for pointer, read in reads.items() if not read.is_missing})
        return GOOD

    async def _read(self, session: Session, pointer: str, at: dict[str, Any]) -> Read:
        procedure = f"dstm.{self._space}.get"
        answer = await session.call(procedure, Payload([pointer], at), {})
        version, epoch = answer.kwargs["version"], answer.kwargs["epoch"]
        if pointer in answer.kwargs.get("missing", ()):
            return Read(None, True, version, epoch)
        if "part" not in answer.kwargs:
            return Read(answer.args[0], False, version, epoch)
        return Read(await _assembled(session, procedure, answer, pointer), False, version, epoch)


async def _assembled(session: Session, procedure: str, answer: Answer, base: str) -> Any:
    """Put together what comes in pages (docs/dstm.md, 'Pages')."""
    from realms.dstm.pointer import parse

    holder: dict[str, Any] = {}
    length = len(parse(base))
    while True:
        for pointer, value in answer.kwargs["part"]:
            target: Any = holder
            *way, last = ("", *parse(pointer)[length:])
            for token in way:
                target = target[int(token)] if isinstance(target, list) else target[token]
            if isinstance(target, list):
                target.append(value)
            else:
                target[last] = value
        following = answer.kwargs.get("next")
        if following is None:
            return holder[""]
        answer = await session.call(procedure, Payload([], {"page": following}), {})


class Watch:
    """Values at pointers, each time that they change."""

    is_endless = True

    def __init__(self, arguments: argparse.Namespace) -> None:
        import realms.dstm.client as dstm

        self._pointers = list(dict.fromkeys(arguments.pointers)) or [""]
        self._count = arguments.count
        self._seconds = arguments.timeout / 1000 if arguments.timeout else None
        self.deadline: float | None = None
        self._is_verbose = arguments.verbose
        self._shown = 0
        self._last: dict[str, Any] = {}  # pointer -> what was printed last
        self._done: asyncio.Future[int] | None = None
        paths = self._pointers if arguments.partial else None
        try:
            self._space = dstm.Space(_space(arguments.space), paths)
        except (ValueError, dstm.DstmError) as error:
            raise UsageError(str(error)) from None

    async def work(self, connection: Connection, session: Session) -> int:
        """Attach the replica to this session; print what changed meanwhile, and what changes."""
        from realms.dstm.errors import DstmError
        from router.client.space_session import SpaceSession

        loop = asyncio.get_running_loop()
        if self._seconds is not None and self.deadline is None:
            self.deadline = loop.time() + self._seconds
        self._done = loop.create_future()
        try:
            async with asyncio.timeout_at(self.deadline):
                await self._space.attach(SpaceSession(session))
                unwatch = [self._space.watch(pointer, self._shower(pointer)) for pointer in self._pointers]
                try:
                    for pointer in self._pointers:
                        self._show(pointer)
                    if self._is_verbose:
                        note(f"watching {self._space.name} at version {self._space.version}")
                    return await self._done
                finally:
                    for end in unwatch:
                        end()
        except DstmError as error:
            if session.ended.done():
                raise NotConnected(session.ended.result()) from None
            raise WampError(error.uri, [error.text], error.details) from None
        except ValueError as error:
            raise UsageError(str(error)) from None
        except TimeoutError:
            if self._count is None:
                return GOOD
            raise TimedOut(f"{self._shown} of {self._count} values came in time") from None

    def _shower(self, pointer: str) -> Callable[[Any], None]:
        return lambda value: self._show(pointer)

    def _show(self, pointer: str) -> None:
        """Print what is at ``pointer``, unless it was printed already."""
        done = self._done
        if done is None or done.done():
            return
        found = {"value": self._space[pointer]} if pointer in self._space else {"missing": True}
        if self._last.get(pointer) == found:
            return
        self._last[pointer] = found
        try:
            show({"pointer": pointer, "version": self._space.version, **found})
        except OSError as error:  # nobody reads any more
            done.set_exception(error)
            return
        self._shown += 1
        if self._shown == self._count:
            done.set_result(GOOD)


class Commit:
    """
    Transactions, one after the other.

    One that was submitted when the connection was lost is submitted again as it was, over the next
    session: its ``tx`` lets the router see that it is the same.
    """

    is_endless = False
    deadline: float | None = None

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._procedure = f"dstm.{_space(arguments.space)}.commit"
        self._client = secrets.token_hex(16)
        self._counter = 0
        self._code = GOOD
        self._pending: dict[str, Any] | None = None
        self._common: dict[str, Any] = {}
        for name, key in (("base", "base"), ("epoch", "epoch"), ("read", "reads"), ("want", "want")):
            if getattr(arguments, name):
                self._common[key] = getattr(arguments, name)
        if arguments.lines == bool(arguments.ops):
            raise UsageError("say what to do: ops, or --lines")
        self._lines = None if not arguments.lines else self._transactions()
        if not arguments.lines:
            self._pending = self._transaction({"ops": [op(text) for text in arguments.ops]})

    async def work(self, connection: Connection, session: Session) -> int:
        """Commit what is there, and each line that comes."""
        while self._pending is not None or await self._take():
            try:
                answer = await session.call(self._procedure, Payload([], self._pending or {}), {})
                show(answer.kwargs)
            except WampError as error:
                report(error)
                self._code = error.exit_code
            self._pending = None
        return self._code

    async def _take(self) -> bool:
        if self._lines is None:
            return False
        self._pending = await anext(self._lines, None)
        return self._pending is not None

    async def _transactions(self) -> AsyncIterator[dict[str, Any]]:
        async for number, text in each_text():
            value = strict_json(text, f"line {number}")
            if isinstance(value, list):
                value = {"ops": value}
            if not isinstance(value, dict) or not value.keys() <= set(_MEMBERS):
                members = ", ".join(_MEMBERS)
                raise UsageError(f"line {number}: expected an array of ops, or an object of {members}")
            yield self._transaction(value)

    def _transaction(self, members: dict[str, Any]) -> dict[str, Any]:
        self._counter += 1
        return {"tx": f"{self._client}:{self._counter}", **self._common, **members}


def _space(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise UsageError(f"a space's name is of letters, digits, _ and -, got {name!r}")
    return name


def command(arguments: argparse.Namespace) -> Get | Watch | Commit:
    """Make the command."""
    kinds: dict[str, type[Get | Watch | Commit]] = {"get": Get, "watch": Watch, "commit": Commit}
    return kinds[arguments.verb](arguments)
