"""
One schedule: a space, its disk, its clients and everything that happens to them, all of it drawn from a seed.

    python tests/dstm_proof/dstm_simulation.py 4711            # run this seed and print what was found
    python tests/dstm_proof/dstm_simulation.py 4711 --mutant no_dedupe

Each schedule has at least one crash of the router. Then come quieter days: the router runs, the disk works,
connections last, and everybody must come to an end; at last everything is judged.

Rules of this file:

- ``run(seed)`` is a function: the same seed gives the same schedule, to the last message.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstm_sim_disk import Archive, Faults
from dstm_sim_judge import judge
from dstm_sim_library import LibraryClient
from dstm_sim_links import decode
from dstm_sim_plain import PlainClient
from dstm_sim_server import Server
from dstm_sim_storage import MemoryStorage, SimStorage, SqliteStorage, Storage
from dstm_sim_world import World

PATIENCE_MS = 120_000
SETTLED_MS = 6_000  # what has a time to live is over, also by a clock that was set back
Client = PlainClient | LibraryClient


@dataclass
class Result:
    """
    What came of a schedule.

    :ivar findings: what was wrong, each with the name of the kind first; empty is good
    :ivar notes: name -> how often it happened
    """

    seed: int
    findings: list[str]
    notes: dict[str, int] = field(default_factory=dict)


class Schedule:
    """
    Draws and runs one.

    :ivar crashes: that have happened
    """

    def __init__(self, seed: int, log: str | None = None, directory: Path | None = None) -> None:
        self.seed = seed
        self.world = world = World(seed)
        self.archive = Archive()
        draw = world.random
        self.storage = self._draw_storage(log, directory)
        self.restores = draw.random() < 0.08
        self._identity = 100  # so that it is no number of the opening document
        names = [f"p{number}" for number in range(draw.randint(1, 3))]
        libraries = [f"l{number}" for number in range(draw.randint(1, 2))]
        everybody = [*names, *libraries, "feeder"]
        self.server = Server(world, self.archive, self.storage.open, everybody)
        self.feeder = PlainClient(world, "feeder", 0, self.server.connect, ["feed"])
        plain = [PlainClient(world, name, draw.randint(5, 10), self.server.connect) for name in names]
        library = [LibraryClient(world, name, draw.randint(5, 10), self.server.connect) for name in libraries]
        self.clients: list[Client] = [*plain, *library]
        self.everybody: list[Client] = [*self.clients, self.feeder]
        self.crashes = 0
        if draw.random() < 0.25:
            self.server.dropped_events = 0.05
            for client in [*plain, self.feeder]:
                client.may_miss = True

    def _draw_storage(self, log: str | None, directory: Path | None) -> Storage:
        draw = self.world.random
        kind = log or ("memory" if draw.random() < 0.1 else "sim")
        if kind == "memory":
            return MemoryStorage(self.world, self.archive)
        if kind == "sqlite":
            assert directory is not None
            return SqliteStorage(self.archive, directory)
        faults = Faults()
        if draw.random() < 0.6:
            faults = Faults(
                refused_write=draw.choice([0, 0.05, 0.2]),
                misreported_write=draw.choice([0, 0.05, 0.2]),
                broken_write=draw.choice([0, 0, 0.03]),
                failed_reopen=draw.choice([0, 0.5]),
                failed_snapshot=draw.choice([0, 0.3]),
            )
        return SimStorage(self.world, self.archive, faults)

    def new_identity(self) -> int:
        self._identity += 1
        return self._identity

    # What happens

    def run(self) -> Result:
        try:
            self._happen()
            findings = [*self._violations(), *self._unequal()]
            findings += self._judged([run for client in self.everybody for run in client.runs])
        except Exception as error:
            findings = [*self._violations(), f"raised: {error!r}"]
        self.server.kill()
        return Result(self.seed, findings, self._notes())

    def _happen(self) -> None:
        world = self.world
        self.server.start()
        for client in self.everybody:
            client.new_identity = self.new_identity
            world.after(world.between(0, 20), client.start)
        moments = sorted(world.between(8, 120) for _ in range(world.random.randint(1, 3)))
        for moment in moments:
            world.after(moment, self._crash)
        for _ in range(world.random.randint(0, 6)):
            world.after(world.between(5, 150), lambda: world.random.choice(self.everybody).drop())
        if self.restores:
            world.after(world.between(0, moments[-1]), self.storage.back_up)
        world.run(250)
        self._calm_down()
        self._come_to_an_end()

    def _crash(self) -> None:
        self.crashes += 1
        self.server.kill()
        if self.restores and self.world.chance(0.5):
            self.storage.restore()
        self.world.after(self.world.between(1, 60), self.server.start)

    def _calm_down(self) -> None:
        """From now on nothing fails."""
        self.storage.calm_down()
        self.server.dropped_events = 0.0

    def _come_to_an_end(self) -> None:
        """Let everybody finish; a broken router is restarted, who waits for something in the queue is fed."""
        deadline = self.world.now + PATIENCE_MS
        while self.world.now < deadline and not all(client.is_done for client in self.everybody):
            if self.server.needs_restart:
                self._crash()
            self.world.run(self.world.now + 100)
            if self.feeder.is_done and not all(client.is_done for client in self.clients):
                self.feeder.remaining += 1
                self.feeder.poke()
        self.feeder.remaining += 1  # a last delta, by which everybody learns what was missed
        self.feeder.poke()
        self.world.run(self.world.now + SETTLED_MS)

    # What came of it

    def _violations(self) -> list[str]:
        self.server.collect_errors()
        findings = list(self.server.violations)
        for client in self.everybody:
            findings += [f"client: {violation}" for violation in client.violations]
            if not client.is_done:
                findings.append(f"no answer: {client.name} never came to its end")
        return findings

    def _unequal(self) -> list[str]:
        position, document = self.server.state()
        return [
            f"replica: {client.name} ended at {client.position[1]}, the server at {position[1]}"
            for client in self.everybody
            if client.position != position or client.document != document
        ]

    def _judged(self, runs: Sequence[Any]) -> list[str]:
        epochs = self.archive.epochs
        (last, _), _ = self.server.state()
        findings = judge(epochs, last, runs, self.server.bodies, self.server.held(), self.world.now)
        for client in self.everybody:
            for (epoch, version), document in client.states.items():
                known = epochs[epoch].documents.get(version) if epoch in epochs else None
                if known is not None and known != decode(document):
                    findings.append(f"wrong replica: {client.name} at version {version}")
                elif known is None and not self.archive.holds(epoch, version):
                    findings.append(f"phantom version: {client.name} was at {epoch[:6]}:{version}")
        return findings

    def _notes(self) -> dict[str, int]:
        runs = [run for client in self.everybody for run in client.runs]
        return {
            "crashes": self.crashes,
            "commits": sum(len(epoch.entries) for epoch in self.archive.epochs.values()),
            "rejects": len(self.archive.rejects),
            "unknown": sum(run.outcome == "unknown" for run in runs),
            "runs": len(runs),
            "epochs": len(self.archive.epochs),
            **self.server.notes,
        }


def run(seed: int, log: str | None = None, directory: Path | None = None) -> Result:
    """
    Run the schedule of a seed and judge it.

    :param log: ``sim``, ``memory`` or ``sqlite`` (which needs a ``directory``); drawn if not given
    """
    return Schedule(seed, log, directory).run()


def replay_line(seed: int) -> str:
    """Give the command that runs a seed again."""
    return f"python tests/dstm_proof/dstm_simulation.py {seed}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("--count", type=int, default=1, help="so many seeds, from this one on")
    parser.add_argument("--mutant", help="with this defect put in; see dstm_mutants.py")
    options = parser.parse_args()
    from dstm_mutants import planted

    failed = 0
    notes: dict[str, int] = {}
    for seed in range(options.seed, options.seed + options.count):
        with planted(options.mutant):
            result = run(seed)
        for name, count in result.notes.items():
            notes[name] = notes.get(name, 0) + count
        if result.findings:
            failed += 1
            print(f"seed {seed}:", *result.findings[:10], sep="\n  ", flush=True)
    print(f"{options.count} schedules, {failed} with findings;", notes)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
