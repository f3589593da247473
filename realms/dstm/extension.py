"""
DSTM as an extension of a realm: its spaces, opened, changed and closed as the configuration says.

Rules of this file:

- A space is what its log is: a reload that leaves ``log`` alone changes a space while it runs; one
  that changes it, or takes the space away, closes it. Files stay, until ``dstm.drop``.
- The data directory is taken, and locked, when the first log of it is opened.
- A log that must not be used refuses the start, and names the place. One that cannot be used now does
  not: its space is ``unavailable`` until it can.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import txaio

from realms.dstm import api_admin, api_commit, api_log, api_reads, api_run, api_waits
from realms.dstm.api import Function, SpaceApi
from realms.dstm.config import DstmConfig, SpaceConfig, settings_of
from realms.dstm.created import CreatedSpaces
from realms.dstm.errors import NO_SUCH_SPACE
from realms.dstm.log import Log, LogBroken, LogRefused, LogUnavailable
from realms.dstm.log.directory import DataDirectory
from realms.dstm.log.memory import MemoryLog
from realms.dstm.measures import measures_of
from realms.dstm.space import Space
from realms.extension import Extension, ExtensionError, Host, Measure, Procedure, ProcedureCall, Session

CREATED_NAME: Final = "created.json"

FUNCTIONS: Final[dict[str, Function]] = {
    "get": api_reads.get,
    "commit": api_commit.commit,
    "put": api_commit.put,
    "patch": api_commit.patch,
    "inc": api_commit.inc,
    "delete": api_commit.delete,
    "sync": api_reads.sync,
    "wait": api_waits.wait,
    "run": api_run.run,
    "view": api_reads.view,
    "history": api_log.history,
    "undo": api_log.undo,
    "status": api_log.status,
}


class Procedures(dict[str, Procedure]):
    """URI -> Procedure; of a space that is not there, one that says so."""

    def get(self, uri: str, default: Any = None) -> Any:
        found = super().get(uri)
        if found is not None:
            return found
        _, _, rest = uri.partition(".")
        space, _, verb = rest.rpartition(".")
        return partial(_no_such_space, space) if space and verb in FUNCTIONS else default


def _no_such_space(space: str, call: ProcedureCall) -> None:
    call.error(NO_SUCH_SPACE, f"this realm has no space {space!r:.110}", {"space": space[:100]})


class HostSurroundings:
    """What a space is given from outside, by the host of the extension."""

    def __init__(self, host: Host) -> None:
        self.soon = host.soon
        self.background = host.background
        self.now_ms = host.now_ms
        self._call_later = host.call_later

    def call_at(self, when_ms: int, function: Callable[[], None]) -> Callable[[], object]:
        """Call ``function`` when the wall clock is there; gives what cancels that."""
        return self._call_later(max(0, when_ms - self.now_ms()) / 1000, function).cancel


class DstmExtension(Extension):
    """
    The spaces of one realm.

    :ivar apis: name -> SpaceApi, of the spaces that are open
    """

    name = "dstm"
    Config = DstmConfig
    sends_json = True

    config: DstmConfig

    def __init__(self, host: Host, config: DstmConfig) -> None:
        super().__init__(host, config)
        self.apis: dict[str, SpaceApi] = {}
        self.created: CreatedSpaces | None = None
        self.procedures = Procedures()
        self._surroundings = HostSurroundings(host)
        self._directory: DataDirectory | None = None
        self._leaving: dict[str, SpaceApi] = {}  # to be closed at the end of this turn
        self._names_closing: set[str] = set()
        self._closed: Any = None  # what fires when all are closed
        for verb, function in api_admin.FUNCTIONS.items():
            self.procedures[f"dstm.{verb}"] = api_admin.procedure(self, function)

    def open(self) -> None:
        """Open the spaces of the configuration, and those that were made by ``dstm.create``."""
        try:
            for name, config in self._wanted(self.config).items():
                self.add(name, self.opened(name, config))
        except ExtensionError:
            self.close()
            raise

    def reconfigure(self, config: DstmConfig) -> None:
        """Open what is new, change what is there, close what is gone."""
        wanted = self._wanted(config)
        new: dict[str, SpaceApi] = {}
        try:
            for name, settings in wanted.items():
                if name not in self.apis or self.apis[name].config.log != settings.log:
                    new[name] = self.opened(name, settings)
        except ExtensionError:
            self._leave(new)
            raise
        self.config = config
        self._leave({name: api for name, api in self.apis.items() if name not in wanted or name in new})
        for name, settings in wanted.items():
            if name not in new:
                self.apis[name].reconfigure(settings)
        for name in self.apis.keys() - wanted.keys():
            self.remove(name)
        for name, api in new.items():
            self.add(name, api)

    def left(self, session: Session) -> None:
        """Forget a session, in every space."""
        for api in self.apis.values():
            api.left(session.id)

    def measures(self) -> Iterator[Measure]:
        """Tell how each space is."""
        for name, api in sorted(self.apis.items()):
            yield from measures_of(name, api.space)

    def close(self) -> Any:
        """Close all spaces; fires when their logs are closed and the directory is free."""
        self._leave(self.apis)
        for name in list(self.apis):
            self.remove(name)
        self._close_leaving()
        closed = self._closed = txaio.create_future()
        self._check_closed()
        return closed

    def opened(self, name: str, config: SpaceConfig) -> SpaceApi:
        """
        Open a space; blocks.

        Raises:
            ExtensionError: its log must not be used.
        """
        known = self._leaving.pop(name, None)
        if known is not None and known.config.log == config.log:
            known.reconfigure(config)
            return known
        place = f"spaces.{name}"
        if name in self._names_closing:
            raise ExtensionError(place, "its log is still being closed: try again")
        try:
            space = Space(name, self.log(name, config), settings_of(config), self._surroundings)
            api = SpaceApi(name, space, config, self.host)
            space.open()
        except (LogRefused, LogUnavailable, LogBroken, ValueError) as error:
            raise ExtensionError(place, str(error)) from error
        if space.state != "open":
            self.host.log.error(
                "space {name} is {state}: {why}", name=name, state=space.state, why=space.reason
            )
        return api

    def log(self, name: str, config: SpaceConfig) -> Log:
        """
        Give the log of a space, not open yet.

        Raises:
            LogRefused, LogUnavailable: the data directory cannot be used.
            ExtensionError: there is none.
        """
        window = config.window
        if config.log == "memory":
            return MemoryLog(records_max=window.versions, bytes_max=window.bytes)
        return self.directory().log(name, window=window.versions, window_bytes=window.bytes)

    def directory(self) -> DataDirectory:
        """
        Give the data directory, locked.

        Raises: as ``log``.
        """
        if self._directory is None:
            path = self.host.data_directory
            if path is None:
                raise ExtensionError("", "this router keeps nothing on a disk: use log: memory")
            self._directory = DataDirectory(path)
            self.created = CreatedSpaces(path / CREATED_NAME)
        return self._directory

    def add(self, name: str, api: SpaceApi) -> None:
        """Serve an open space."""
        self.apis[name] = api
        for verb, function in FUNCTIONS.items():
            self.procedures[f"dstm.{name}.{verb}"] = api.procedure(function)

    def remove(self, name: str) -> SpaceApi:
        """Serve a space no more."""
        for verb in FUNCTIONS:
            del self.procedures[f"dstm.{name}.{verb}"]
        return self.apis.pop(name)

    def make(self, name: str, done: Callable[[ExtensionError | None], None]) -> None:
        """Make a space while the router runs, in the background; then call ``done``."""
        config = self.config.created

        def opened(_: Any, error: BaseException | None) -> None:
            if error is not None:
                done(ExtensionError(name, str(error)))
                return
            try:
                if name in self.apis:
                    raise ExtensionError(name, f"there is a space {name!r}")
                self.add(name, self.opened(name, config))
            except ExtensionError as refused:
                done(refused)
            else:
                done(None)

        if config.log == "memory":
            opened(None, None)
        else:
            self._change_created(name, opened, is_there=True)

    def unmake(self, name: str, done: Callable[[ExtensionError | None], None]) -> None:
        """Delete a space that was made while the router ran; then call ``done``."""

        def forgotten(_: Any, error: BaseException | None) -> None:
            if error is not None:
                done(ExtensionError(name, str(error)))
            elif name in self.apis:
                self.end(name, self.remove(name), lambda: done(None), is_dropped=True)
            else:  # it was dropped twice at once
                done(None)

        if self.apis[name].config.log == "memory":
            forgotten(None, None)
        else:
            self._change_created(name, forgotten, is_there=False)

    def _change_created(
        self, name: str, done: Callable[[Any, BaseException | None], None], *, is_there: bool
    ) -> None:
        """Note durably that a space was made, or is no more."""
        self.directory()
        created = self.created
        assert created is not None
        change = partial(created.change, more=[name]) if is_there else partial(created.change, less=[name])
        self.host.background(change, done)

    def end(self, name: str, api: SpaceApi, done: Callable[[], object], *, is_dropped: bool = False) -> None:
        """Close a space that is no longer served, then call ``done``."""
        self._names_closing.add(name)

        def ended() -> None:
            self._names_closing.discard(name)
            done()
            self._check_closed()

        api.space.close(ended, is_dropped)

    def _wanted(self, config: DstmConfig) -> dict[str, SpaceConfig]:
        """Give the settings of all spaces that there are to be."""
        names = self.apis.keys() - self.config.spaces.keys()  # those that were made
        if config.created.log != "memory":
            try:
                self.directory()
            except (LogRefused, LogUnavailable) as error:
                raise ExtensionError("created", str(error)) from error
            assert self.created is not None
            names |= self.created.names
        return dict.fromkeys(sorted(names), config.created) | config.spaces

    def _leave(self, apis: Mapping[str, SpaceApi]) -> None:
        """Close spaces at the end of this turn, unless they are wanted again until then."""
        self._leaving |= apis
        self.host.soon(self._close_leaving)

    def _close_leaving(self) -> None:
        while self._leaving:
            name, api = self._leaving.popitem()
            self.end(name, api, lambda: None)

    def _check_closed(self) -> None:
        """After the last space: let others use the directory, and say so to whoever waits."""
        if self._closed is None or self._names_closing:
            return
        if self._directory is not None:
            self._directory.release()
            self._directory = None
        closed, self._closed = self._closed, None
        txaio.resolve(closed, None)
