"""
``twistd router``: options to a service.

The configuration is read and checked while options are parsed, so that a mistake is
reported on the terminal, with its place, before anything starts or detaches from it.
"""

import sys
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, Logger
from twisted.python import usage

from realms.extension import ExtensionError
from router import __version__, process
from router.config_directory import DEFAULT_DIRECTORY, Configuration, load
from router.configuration import ConfigurationError
from router.log import LogLevels

HELP = f"""
A WAMP router (Concord {__version__}).

Without options it serves the realm 'realm1' on loopback: WebSocket at
ws://127.0.0.1:8080/ws, a page at http://127.0.0.1:8080/ and RawSocket at
127.0.0.1:8081; anonymous clients may do everything.

  twistd -n router                       run in the foreground
  twistd -n --reactor=uvloop router      the same on uvloop, with less CPU
  twistd -n router --config /etc/concord with your own configuration
  twistd router --check --config DIR     check it: every mistake, with its line
  concord init DIR                       write the default configuration to DIR
  concord run --config DIR               foreground, with the fastest reactor

SIGHUP, or a changed file, reloads realms, roles, secrets and certificates.
SIGTERM says GOODBYE to every session and stops.
"""


def default_directory() -> Path:
    """Take ``config/`` of the working directory where there is one, else the shipped configuration."""
    here = Path("config")
    return here if (here / "router.yaml").is_file() else DEFAULT_DIRECTORY


def load_or_exit(directory: Path, warn: bool = False) -> Configuration:
    """
    Load a configuration; report every problem on standard error and exit with 1 where there is one.

    With ``warn``, warnings too: a router that starts has them in its log.
    """
    try:
        configuration = load(directory)
    except ConfigurationError as error:
        count = len(error.problems)
        sys.stderr.write(f"{error}\n{count} problem{'s' if count != 1 else ''}: nothing was started\n")
        raise SystemExit(1) from None
    for warning in configuration.warnings if warn else ():
        sys.stderr.write(f"warning: {warning}\n")
    return configuration


class Options(usage.Options):
    """Options of ``twistd router``."""

    synopsis = "[--config DIR] [--check]"
    optParameters = [
        (
            "config",
            "c",
            None,
            "Directory with router.yaml and realms/ (default: ./config, else the shipped one)",
        ),
    ]
    log_levels: LogLevels | None = None
    log_observer: Any = None  # what router.yaml asks for, unless twistd was given a logger of its own
    optFlags = [("check", None, "Check the configuration and exit: 0 if it is good, 1 if not")]

    def getUsage(self, width: int | None = None) -> str:
        """Give the text of --help; what the options do is told in lines, which Twisted would join."""
        return f"{super().getUsage(width).rstrip()}\n{HELP}"

    def opt_version(self) -> None:
        """Print the router's version and exit."""
        sys.stdout.write(f"Concord {__version__}\n")
        raise SystemExit(0)

    def postOptions(self) -> None:
        directory = Path(self["config"]) if self["config"] else default_directory()
        self.configuration = load_or_exit(directory, warn=self["check"])
        if self["check"]:
            sys.stdout.write(f"{directory}: good\n")
            raise SystemExit(0)
        if self.parent is not None and not self.parent.get("logger") and not self.parent.get("syslog"):
            logfile = self.parent.get("logfile")
            to_terminal = self.parent.get("nodaemon") and not logfile
            target = None if to_terminal or logfile == "-" else logfile or "twistd.log"
            settings = self.configuration.node.log
            self.log_levels = LogLevels(settings)
            self.log_observer = process.log_observer(settings, target, self.log_levels)


class _Router(MultiService):
    """The node as a service of this process: what only a process of its own may do, done once."""

    log = Logger("router.tap")

    def __init__(self, options: Options) -> None:
        super().__init__()
        self._configuration = options.configuration
        self._log_observer = options.log_observer
        self._log_levels = options.log_levels
        self._twistd: Any = options.parent or {}

    def setServiceParent(self, parent: Any) -> None:
        """Join the application, which is where twistd looks for a log observer."""
        if self._log_observer is not None:
            parent.setComponent(ILogObserver, self._log_observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        from twisted.internet import reactor

        from router.node import Node
        from router.systemd import Systemd

        self._systemd = Systemd(reactor)
        process.raise_open_file_limit()
        node = Node(self._configuration, reactor)
        node.log_levels = self._log_levels
        node.setServiceParent(self)
        try:
            super().privilegedStartService()
        except (CannotListenError, ExtensionError) as error:
            self._give_up(error)
        self._node = node

    def _give_up(self, error: Exception) -> None:
        """End with a line that says why; a daemon's parent waits until twistd tells it of an exception."""
        if not self._twistd.get("nodaemon"):
            self.log.critical("{error}", error=error)
            raise error
        pidfile = self._twistd.get("pidfile")
        if pidfile:
            Path(pidfile).unlink(missing_ok=True)
        (sys.__stderr__ or sys.stderr).write(f"twistd router: {error}\n")  # the other one is the log
        raise SystemExit(1)

    def startService(self) -> None:
        from twisted.internet import reactor

        from router.node import reload_on_sighup

        # Before it is said that we listen.
        reload_on_sighup(lambda: self._systemd.reload(self._node.reload), reactor)
        super().startService()
        process.settle_collector()
        self._systemd.ready(self._node.status)

    def stopService(self) -> Any:
        self._systemd.stopping()
        return super().stopService()


def make_service(options: Options) -> Any:
    """Make the service of ``twistd router``."""
    return _Router(options)


makeService = make_service  # the name that Twisted's ServiceMaker looks for
