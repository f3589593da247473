"""
The command ``concord``: run in the foreground, check, schema, init, secret, explain, and the WAMP client.

Every command exits with 0 when it did what it says, with 1 when it did not, with 2 when it was
called wrongly; the client's have more codes.

Rules of this file: nothing but the parser is imported before a command is chosen, so that a client
starts without the router.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from router import __version__, explain_command, secret_command
from router.client.parser import Parser, add_commands


def main(arguments: list[str] | None = None) -> int:
    """Run ``concord`` with ``arguments``; the exit code is returned."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        return int(options.command(options))
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="concord", description=f"Concord {__version__}, a WAMP router.")
    parser.add_argument("--version", action="version", version=f"Concord {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    run = _command(commands, "run", _run, "run the router in the foreground until SIGTERM or Ctrl-C")
    _add_directory(run)
    _add_config(run)
    run.add_argument(
        "--reactor",
        metavar="NAME",
        help="a Twisted reactor, as in 'twistd --help-reactors' (default: uvloop where it is installed)",
    )
    check = _command(commands, "check", _check, "check a configuration: every problem, with its place")
    _add_directory(check)
    _add_config(check)
    schema = _command(
        commands, "schema", _schema, "print the JSON Schema of a configuration file, for editors"
    )
    schema.add_argument("kind", choices=("realm", "router"), help="router.yaml, or a realm's file")
    init = _command(commands, "init", _init, "write the default configuration, commented, to a directory")
    init.add_argument("directory", type=Path, metavar="DIR")
    secret_command.add_parser(commands)
    explain_command.add_parser(commands)
    add_commands(commands)
    return parser


def _command(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=function)
    return parser


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="the same as --config DIR")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", "-c", type=Path, metavar="DIR", help="default: ./config, else the shipped configuration"
    )


def _run(options: argparse.Namespace) -> int:
    from router.tap import default_directory, load_or_exit

    configuration = load_or_exit(options.directory or options.config or default_directory())
    reactor = _install_reactor(options.reactor)

    from twisted.internet.error import CannotListenError
    from twisted.logger import globalLogBeginner

    from realms.extension import ExtensionError
    from router import process
    from router.log import LogLevels
    from router.node import Node, reload_on_sighup
    from router.systemd import Systemd

    settings = configuration.node.log
    levels = LogLevels(settings)
    globalLogBeginner.beginLoggingTo([process.log_observer(settings, None, levels)], redirectStandardIO=False)
    process.raise_open_file_limit()
    node = Node(configuration, reactor)
    node.log_levels = levels
    systemd = Systemd(reactor)
    code = 0

    def start() -> None:
        nonlocal code
        reload_on_sighup(lambda: systemd.reload(node.reload), reactor)
        try:
            node.startService()
        except Exception as error:
            if not isinstance(error, CannotListenError | ExtensionError):
                process.log.failure("the router did not start")
            sys.stderr.write(f"concord: {error}\n")
            code = 1
            reactor.stop()
            return
        reactor.addSystemEventTrigger("before", "shutdown", systemd.stopping)
        reactor.addSystemEventTrigger("before", "shutdown", node.stopService)
        process.settle_collector()
        systemd.ready(node.status)

    # Not before the reactor has taken the signals: who reads that we listen may stop us at once.
    reactor.callWhenRunning(start)
    reactor.run()
    return code


def _install_reactor(name: str | None) -> Any:
    from twisted.application.reactors import NoSuchReactor, installReactor

    if name is None:
        try:
            import uvloop  # noqa: F401

            name = "uvloop"
        except ImportError:
            name = "default"
    try:
        installReactor(name)
    except NoSuchReactor:
        sys.stderr.write(f"concord: no reactor {name!r}; see 'twistd --help-reactors'\n")
        raise SystemExit(2) from None
    from twisted.internet import reactor

    return reactor


def _check(options: argparse.Namespace) -> int:
    from router.tap import default_directory, load_or_exit

    directory = options.directory or options.config or default_directory()
    load_or_exit(directory, warn=True)
    sys.stdout.write(f"{directory}: good\n")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from router.config_directory import schemas

    sys.stdout.write(json.dumps(schemas()[options.kind], indent=2) + "\n")
    return 0


def _init(options: argparse.Namespace) -> int:
    from router.config_directory import scaffold

    try:
        written = scaffold(options.directory)
    except OSError as error:
        sys.stderr.write(f"concord: {error}\n")
        return 1
    for file in written:
        sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
