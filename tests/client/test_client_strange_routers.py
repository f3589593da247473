"""Routers that are silent, hostile or gone: a command ends, and says why."""

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import ENVIRONMENT, PATIENCE

WELCOME = [2, 1, {"roles": {"broker": {}, "dealer": {}}}]


class Peer:
    """One connection of RawSocket with JSON, from the router's side."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._connection.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def handshake(self) -> None:
        assert self.read(4) == b"\x7f\xf1\0\0"
        self._connection.sendall(b"\x7f\xf1\0\0")

    def frame(self) -> tuple[int, bytes]:
        """Read a frame: its kind, and what is in it."""
        (head,) = struct.unpack("!L", self.read(4))
        return head >> 24, self.read(head & 0xFFFFFF)

    def receive(self) -> Any:
        return json.loads(self.frame()[1])

    def send(self, *array: Any) -> None:
        self.write(0, json.dumps(array).encode())

    def write(self, kind: int, data: bytes) -> None:
        self._connection.sendall(struct.pack("!L", kind << 24 | len(data)) + data)

    def welcome(self) -> None:
        """Let the client join."""
        self.handshake()
        assert self.receive()[0] == 1
        self.send(*WELCOME)

    def rest(self) -> list[Any]:
        """Read until the client is gone."""
        messages = []
        try:
            while True:
                messages.append(self.receive())
        except (EOFError, OSError):
            return messages


def against(play: Callable[[Peer], Any], *arguments: str, tmp_path: Path) -> tuple[int, str, str, Any]:
    """Run a command against a router that does ``play``; give exit code, outputs, and what ``play`` gave."""
    code, out, text, given = against_each([play], *arguments, tmp_path=tmp_path)
    return code, out, text, given[0] if given else None


def against_each(
    plays: list[Callable[[Peer], Any]], *arguments: str, tmp_path: Path
) -> tuple[int, str, str, list[Any]]:
    """Run a command against a router that plays one after the other, one for each connection."""
    given: list[Any] = []
    file = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(file)
        listener.listen()
        listener.settimeout(PATIENCE)

        def serve() -> None:
            for play in plays:
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE)
                with connection:
                    given.append(play(Peer(connection)))

        thread = threading.Thread(target=serve)
        thread.start()
        done = subprocess.run(
            [sys.executable, "-m", "router.command", *arguments, "--url", f"unix:{file}"],
            env={**ENVIRONMENT, "PYTHONWARNINGS": "error"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        thread.join(PATIENCE)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr, given


def test_nothing_comes(tmp_path: Path) -> None:
    """Neither a handshake nor a WELCOME is waited for forever."""

    def silent(peer: Peer) -> Any:
        return peer.rest()

    def half(peer: Peer) -> Any:
        peer.handshake()
        return peer.rest()

    for number, play in enumerate((silent, half)):
        place = tmp_path / str(number)
        place.mkdir()
        arguments = ["call", "com.x", "--connect-timeout", "300"]
        code, _, text, _ = against(play, *arguments, tmp_path=place)
        assert code == 3
        assert "did not let this client in within 0.3 s" in text


def test_a_call_is_not_answered(tmp_path: Path) -> None:
    """A router that does not know timeouts is told by CANCEL, and left."""

    def play(peer: Peer) -> Any:
        peer.welcome()
        messages = []
        while (message := peer.receive())[0] != 6:
            messages.append(message)
        peer.send(6, {}, "wamp.close.goodbye_and_out")
        return messages

    code, _, text, messages = against(play, "call", "com.x", "--timeout", "50", tmp_path=tmp_path)
    assert (code, text) == (5, "concord: the router did not end the call in time, nor answer it\n")
    assert messages == [[48, 1, {"timeout": 50}, "com.x"], [49, 1, {"mode": "killnowait"}]]


@pytest.mark.parametrize(
    "message",
    [
        [2, 5, {}],
        [50, 1],
        [50, 1, {}, 5],
        [33, 7, 7],
        [36, 1, 1],
        [6],
        [99, 1],
        [[]],
        [3, 5, "x"],
    ],
)
def test_what_breaks_the_protocol(tmp_path: Path, message: list[Any]) -> None:
    """It ends the command, unless it harms nothing; never with a traceback, never silently."""

    def play(peer: Peer) -> Any:
        peer.welcome()
        assert peer.receive()[0] == 48
        peer.send(*message)
        return peer.rest()

    code, out, text, _ = against(play, "call", "com.x", "--timeout", "300", tmp_path=tmp_path)
    assert code in (3, 5)
    assert out == ""
    assert len(text.splitlines()) == 1


def test_what_is_no_message(tmp_path: Path) -> None:
    def play(peer: Peer) -> Any:
        peer.welcome()
        assert peer.receive()[0] == 48
        peer.write(0, b"{nonsense")
        return peer.rest()

    code, out, _, _ = against(play, "call", "com.x", tmp_path=tmp_path)
    assert (code, out) == (3, "")


def test_the_router_is_gone(tmp_path: Path) -> None:
    def play(peer: Peer) -> Any:
        peer.welcome()
        return peer.receive()

    code, _, text, _ = against(play, "call", "com.x", tmp_path=tmp_path)
    assert (code, text) == (3, "concord: the connection was closed\n")


def test_a_handshake_that_is_refused(tmp_path: Path) -> None:
    def play(peer: Peer) -> Any:
        peer.read(4)
        peer._connection.sendall(b"\x7f\x10\0\0")

    code, _, text, _ = against(play, "call", "com.x", tmp_path=tmp_path)
    assert code == 3
    assert "serializer unsupported" in text


def test_a_challenge_that_was_not_asked_for(tmp_path: Path) -> None:
    """A ticket is not sent to who asks for it: the session is refused, and the router is told."""

    def play(peer: Peer) -> Any:
        peer.handshake()
        peer.receive()
        peer.send(4, "ticket", {})
        return peer.rest()

    arguments = ["-a", "wampcra", "-i", "carl", "--secret", "sesame"]
    code, _, text, messages = against(play, "call", "com.x", *arguments, tmp_path=tmp_path)
    assert code == 4
    assert "the router asks for 'ticket', which was not offered" in text
    assert messages[0][0] == 3
    assert "sesame" not in json.dumps(messages)


def test_a_router_that_does_not_know_the_password(tmp_path: Path) -> None:
    """SCRAM proves both sides: a WELCOME without the proof is not believed."""

    def play(peer: Peer) -> Any:
        peer.handshake()
        nonce = peer.receive()[2]["authextra"]["nonce"]
        extra = {
            "nonce": nonce + "AAAA",
            "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
            "kdf": "pbkdf2",
            "iterations": 4096,
        }
        peer.send(4, "wamp-scram", extra)
        assert peer.receive()[0] == 5
        peer.send(*WELCOME)
        return peer.rest()

    arguments = ["-a", "wamp-scram", "-i", "sam", "--secret", "pencil"]
    code, _, text, messages = against(play, "call", "com.x", *arguments, tmp_path=tmp_path)
    assert code == 4
    assert "does not prove that it knows the password" in text
    assert [message[0] for message in messages] == [3]


def test_a_ping_is_answered(tmp_path: Path) -> None:
    """WAMP AP 'RawSocket Transport': the PONG carries what the PING did."""

    def play(peer: Peer) -> Any:
        peer.welcome()
        assert peer.receive()[0] == 48
        peer.write(1, b"are you there")
        pong = peer.frame()
        peer.write(2, b"nobody asked")
        peer.send(50, 1, {}, ["well"])
        assert peer.receive()[0] == 6
        peer.send(6, {}, "wamp.close.goodbye_and_out")
        return pong

    code, out, _, pong = against(play, "call", "com.x", tmp_path=tmp_path)
    assert (code, out, pong) == (0, '"well"\n', (2, b"are you there"))


def test_a_transaction_without_an_answer_is_submitted_again(tmp_path: Path) -> None:
    """As it was, so that the router sees by its ``tx`` that it is the same."""

    def lose(peer: Peer) -> Any:
        peer.welcome()
        return peer.receive()

    def answer(peer: Peer) -> Any:
        call = lose(peer)
        peer.send(50, 1, {}, [], {"version": 1, "dup": True})
        assert peer.receive()[0] == 6
        peer.send(6, {}, "wamp.close.goodbye_and_out")
        return call

    arguments = ["dstm", "commit", "demo", "/n+=1", "--reconnect"]
    code, out, text, (first, second) = against_each([lose, answer], *arguments, tmp_path=tmp_path)
    assert (code, json.loads(out)) == (0, {"version": 1, "dup": True})
    assert text == "concord: the connection was closed; trying again\n"
    assert first == second
    assert first[5]["ops"] == [{"op": "inc", "path": "/n", "value": 1}]
    assert len(first[5]["tx"]) == 34


def test_a_time_that_passes_without_a_router(tmp_path: Path) -> None:
    """``--reconnect`` does not go on beyond ``--timeout``."""

    def lose(peer: Peer) -> Any:
        peer.welcome()
        request = peer.receive()
        peer.send(33, request[1], 7)

    arguments = ["subscribe", "com.x", "--reconnect", "--timeout", "100", "--connect-timeout", "200"]
    code, _, text, _ = against_each([lose], *arguments, tmp_path=tmp_path)
    assert code == 3
    assert "trying again" in text
