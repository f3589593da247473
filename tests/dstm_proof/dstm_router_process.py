"""A router process with a space on SQLite: started, killed, restarted on the same files and port."""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

_ROUTER = """\
data_dir: {data}
transports:
  - type: rawsocket
    endpoint: tcp:{port}:interface=127.0.0.1
"""
_REALM = """\
roles:
  anonymous:
    permissions:
      - {{uri: "", match: prefix, allow: [call, register, publish, subscribe]}}
authentication: {{anonymous: {{role: anonymous}}}}
extensions:
  dstm:
    spaces:
      bank: {{log: {log}}}
"""
PATIENCE = 30


class RouterProcess:
    """
    One router after another, on one directory.

    :ivar port: the same for all of them
    :ivar log: everything that they printed
    """

    def __init__(self, directory: Path, log: str = "sqlite") -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.directory = directory
        self.data = directory / "data"
        config = directory / "config"
        (config / "realms").mkdir(parents=True)
        (config / "router.yaml").write_text(_ROUTER.format(data=self.data, port=self.port))
        (config / "realms" / "realm1.yaml").write_text(_REALM.format(log=log))
        self._config = config
        self.log: list[str] = []
        self.starts = 0

    def start(self) -> None:
        """Start, and wait until it listens."""
        command = [sys.executable, "-m", "router.command", "run", "--config", str(self._config)]
        self._process = subprocess.Popen(
            command, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, ready))
        self._reader.start()
        deadline = time.monotonic() + PATIENCE
        while not ready.wait(0.05):
            assert self._process.poll() is None, self.text[-4000:]
            assert time.monotonic() < deadline, self.text[-4000:]
        self.starts += 1

    def _read(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line)
            if "realms: realm1" in line:
                ready.set()

    def kill(self) -> None:
        """End it as a power cut does, as far as a process can tell."""
        self._process.send_signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """End it as an operator does, and give the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    @property
    def text(self) -> str:
        return "".join(self.log)
