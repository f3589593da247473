"""
The client's part of the command line.

Rules of this file: only ``argparse`` is imported; what a command does is in the module that it names,
which is imported when the command runs.
"""

import argparse
from typing import Any

_EXITS = (
    "Exit codes: 0 done; 1 a WAMP error, which is printed as JSON on standard error; 2 called wrongly; "
    "3 no connection, or it was lost; 4 the router refused the session; 5 --timeout has passed; "
    "130 and 143 interrupted by a signal."
)
_SECRETS = (
    "Secrets: a ticket, a password or a private key, by --secret-file, --secret-env, --ask-secret, the "
    "environment variable CONCORD_SECRET, or a profile. Others on this machine can see what --secret says."
)
_ARGUMENTS = (
    "name=text and name:=json are keyword arguments; =text and :=json positional ones; anything else is a "
    "positional argument, JSON where it is JSON and text where it is not"
)
_MATCH = ("exact", "prefix", "wildcard")


class Parser(argparse.ArgumentParser):
    """
    A parser that takes options between positional arguments where ``is_mixed`` is set.

    Else ``call PROCEDURE --full 5`` would be refused: argparse takes no argument for all of ``ARGUMENT...``
    before it sees the 5.
    """

    is_mixed = False
    _is_inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; argparse's own mixed parsing calls this method again."""
        if not self.is_mixed or self._is_inside:
            return super().parse_known_args(args, namespace)
        self._is_inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_inside = False


def add_commands(commands: Any) -> None:
    """Add the client's commands to the subparsers of ``concord``."""
    _call(commands)
    _publish(commands)
    _subscribe(commands)
    _register(commands)
    _dstm(commands)
    _top(commands)


def _command(commands: Any, name: str, module: str, text: str) -> argparse.ArgumentParser:
    """Add a command that ``router.client.<module>`` does."""
    parser: Parser = commands.add_parser(name, help=text, description=text, epilog=f"{_SECRETS} {_EXITS}")
    parser.is_mixed = True
    parser.set_defaults(command=_run, module=module)
    _add_connection(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    from router.client.main import run

    return run(options)


def _milliseconds(text: str) -> int:
    value = int(text)
    if not 0 < value <= 86_400_000:
        raise argparse.ArgumentTypeError(f"expected 1 to 86400000 milliseconds, got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= 1_000_000_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {text}")
    return value


# argparse names the function in its message: "invalid ... value".
_milliseconds.__name__ = "milliseconds"
_count.__name__ = "count"


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    add = group.add_argument
    add("--url", "-u", help="ws://, wss://, rs://, rss:// or unix: (default: ws://127.0.0.1:8080/ws)")
    add("--realm", "-r", help="realm to join (default: realm1)")
    add("--profile", "-p", metavar="NAME", help="take what is not given here from this profile")
    add("--profiles", metavar="FILE", help="file of the profiles (default: ~/.config/concord/client.yaml)")
    add("--serializer", choices=("json", "msgpack", "cbor"), help="default: json")
    add("--header", action="append", metavar="NAME: VALUE", help="a header of the WebSocket's request")
    add(
        "--connect-timeout",
        dest="connect_timeout_ms",
        type=_milliseconds,
        metavar="MS",
        help="to connect and join (default: 10000)",
    )
    add("--verbose", "-v", action="store_true", help="tell on standard error what happens")
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--tls-ca", metavar="FILE", help="certificates to trust instead of the system's")
    tls.add_argument("--tls-cert", metavar="FILE", help="this client's certificate")
    tls.add_argument("--tls-key", metavar="FILE", help="its key, where it is not in the same file")
    tls.add_argument("--tls-insecure", action="store_true", help="do not check the router's certificate")
    _add_authentication(parser)


def _add_authentication(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("authentication").add_argument
    add(
        "--authmethod",
        "-a",
        action="append",
        metavar="METHOD",
        help="anonymous (default), ticket, wampcra, wamp-scram, scram, cryptosign, cookie or tls; "
        "several are offered in this order",
    )
    add("--authid", "-i", metavar="ID", help="who joins")
    add("--authrole", metavar="ROLE", help="the role to ask for")
    add("--authextra", metavar="JSON", help="an object, for the router's authenticator")
    add("--secret-file", metavar="FILE")
    add("--secret-env", metavar="NAME", help="environment variable that holds the secret")
    add("--ask-secret", action="store_true", help="ask for the secret on the terminal")
    add("--secret", metavar="TEXT")
    add("--channel-binding", choices=("tls-unique",), help="bind cryptosign to the TLS connection")
    add("--cookie-file", metavar="FILE", help="keep the router's cookies here")


def _add_option(parser: argparse.ArgumentParser, message: str) -> None:
    parser.add_argument(
        "--option",
        "-o",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"another option of {message}: name=text or name:=json",
    )


def _add_full(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--full", action="store_true", help=text)


def _add_lines(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--lines",
        action="store_true",
        help=f"read one {what} from each line of standard input, as JSON: an array of arguments, an object "
        "with args and kwargs, or the one argument",
    )


def _add_reconnect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reconnect", action="store_true", help="connect again, and go on, when the connection is lost"
    )


def _call(commands: Any) -> None:
    parser = _command(commands, "call", "calling", "call a procedure and print its result")
    parser.add_argument("procedure")
    parser.add_argument("arguments", nargs="*", default=[], metavar="ARGUMENT", help=_ARGUMENTS)
    parser.add_argument(
        "--timeout",
        "-t",
        type=_milliseconds,
        metavar="MS",
        help="the router ends the call after this time",
    )
    parser.add_argument("--progress", action="store_true", help="print progressive results, too")
    parser.add_argument("--disclose-me", action="store_true", help="tell the callee who calls")
    _add_option(parser, "CALL")
    _add_lines(parser, "call")
    _add_full(parser, "print args, kwargs and details of each result")


def _publish(commands: Any) -> None:
    parser = _command(commands, "publish", "publishing", "publish an event")
    parser.add_argument("topic")
    parser.add_argument("arguments", nargs="*", default=[], metavar="ARGUMENT", help=_ARGUMENTS)
    acknowledge = parser.add_mutually_exclusive_group()
    acknowledge.add_argument("--ack", action="store_true", help="print the publication's id")
    acknowledge.add_argument("--no-ack", action="store_true", help="do not wait for the router's word")
    parser.add_argument("--retain", action="store_true", help="keep the event for later subscribers")
    parser.add_argument("--disclose-me", action="store_true", help="tell subscribers who publishes")
    _add_option(parser, "PUBLISH")
    _add_lines(parser, "event")


def _subscribe(commands: Any) -> None:
    parser = _command(commands, "subscribe", "subscribing", "print events, one a line, until Ctrl-C")
    parser.add_argument("topics", nargs="+", metavar="TOPIC")
    parser.add_argument("--match", choices=_MATCH)
    parser.add_argument("--get-retained", action="store_true", help="ask for the event that the router keeps")
    parser.add_argument("--count", "-n", type=_count, metavar="N", help="end after N events")
    parser.add_argument("--timeout", "-t", type=_milliseconds, metavar="MS", help="end after this time")
    _add_option(parser, "SUBSCRIBE")
    _add_reconnect(parser)
    _add_full(parser, "print the details of each event, too")


def _register(commands: Any) -> None:
    parser = _command(commands, "register", "registering", "answer calls by running a command for each")
    parser.add_argument("procedure")
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="COMMAND",
        help="run for each call, after --: JSON with args, kwargs and details on its standard input, the "
        "result on its standard output, as JSON or text",
    )
    parser.add_argument("--shell", metavar="TEXT", help="run this by /bin/sh instead")
    parser.add_argument("--echo", action="store_true", help="answer with the call's own arguments instead")
    parser.add_argument("--match", choices=_MATCH)
    parser.add_argument("--invoke", choices=("single", "first", "last", "roundrobin", "random"))
    parser.add_argument("--force-reregister", action="store_true", help="take the place of who has it now")
    parser.add_argument(
        "--concurrency", "-j", type=_count, default=4, metavar="N", help="calls at a time (4)"
    )
    parser.add_argument("--queue", type=_count, default=1000, metavar="N", help="calls that may wait (1000)")
    parser.add_argument("--progress", action="store_true", help="each line of output is a progressive result")
    parser.add_argument("--count", "-n", type=_count, metavar="N", help="end after N calls")
    parser.add_argument("--timeout", "-t", type=_milliseconds, metavar="MS", help="end a command after this")
    _add_option(parser, "REGISTER")
    _add_reconnect(parser)


def _dstm(commands: Any) -> None:
    text = "read, watch and change shared objects (docs/dstm.md)"
    parser = commands.add_parser("dstm", help=text, description=text)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    _dstm_get(verbs)
    _dstm_watch(verbs)
    _dstm_commit(verbs)


def _dstm_verb(verbs: Any, verb: str, text: str) -> argparse.ArgumentParser:
    parser = _command(verbs, verb, "dstm", text)
    parser.set_defaults(verb=verb)
    parser.add_argument("space", help="name of the space")
    return parser


def _dstm_get(verbs: Any) -> None:
    parser = _dstm_verb(verbs, "get", "print the values at pointers, all of one version")
    parser.add_argument("pointers", nargs="*", metavar="POINTER", help="JSON Pointers (default: everything)")
    parser.add_argument("--at", type=int, metavar="VERSION", help="of this version, not of the newest")
    parser.add_argument("--min-version", type=int, metavar="VERSION", help="wait for this version")
    _add_full(parser, "print version, epoch, values and what is missing")


def _dstm_watch(verbs: Any) -> None:
    parser = _dstm_verb(verbs, "watch", "print the values at pointers, and again when they change")
    parser.add_argument("pointers", nargs="*", metavar="POINTER", help="JSON Pointers (default: everything)")
    parser.add_argument("--partial", action="store_true", help="fetch what is at these pointers alone")
    parser.add_argument("--count", "-n", type=_count, metavar="N", help="end after N values")
    parser.add_argument("--timeout", "-t", type=_milliseconds, metavar="MS", help="end after this time")
    _add_reconnect(parser)


def _dstm_commit(verbs: Any) -> None:
    parser = _dstm_verb(verbs, "commit", "change a space in one transaction and print its version")
    parser.add_argument(
        "ops",
        nargs="*",
        metavar="OP",
        help="/pointer=text and /pointer:=json (add), /pointer+=number (inc), or an op as JSON",
    )
    parser.add_argument("--base", type=int, metavar="VERSION", help="the version that was read")
    parser.add_argument("--epoch", help="the history that the version is in")
    parser.add_argument(
        "--read", action="append", metavar="POINTER", help="refuse if this changed after --base"
    )
    parser.add_argument(
        "--want", action="append", metavar="POINTER", help="print this value after the commit"
    )
    parser.add_argument(
        "--lines",
        action="store_true",
        help="read a transaction from each line of standard input: an array of ops, or an object with ops, "
        "reads, base, epoch, want, publish",
    )
    _add_reconnect(parser)


def _top(commands: Any) -> None:
    parser = _command(commands, "top", "top", "show what a router does, until q or Ctrl-C")
    parser.add_argument(
        "--interval", type=_milliseconds, default=1000, metavar="MS", help="between two looks (default: 1000)"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON snapshot a line, as where the output is no terminal"
    )
    parser.add_argument("--count", "-n", type=_count, metavar="N", help="end after N looks")
    _add_reconnect(parser)
