"""
The bank under fire: routers killed with -9, sockets cut, submissions doubled; then the checkers.

    python tests/dstm_proof/bank_over_sockets.py --clients 64 --seconds 60 --kills 10

Prints a summary and the anomalies; the exit code is 0 only if there are none.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstm_bank import OPENING, TOTAL, BankClient, Ledger
from dstm_bank_checker import check_bank
from dstm_bank_library import LibraryClient, SocketLink
from dstm_checker import Anomaly
from dstm_raw_client import RawClient
from dstm_router_process import RouterProcess

Client = BankClient | LibraryClient
_CUTS_PER_SECOND = 10


@dataclass
class Summary:
    """What a run of the bank has done, and what was wrong with it."""

    seconds: float
    kills: int
    clients: int
    version: int
    counts: Counter[str]
    anomalies: list[Anomaly] = field(default_factory=list)

    def lines(self) -> list[str]:
        lines = [
            f"{self.clients} clients, {self.seconds:.0f} s, router killed -9 {self.kills} times,"
            f" the space ended at version {self.version}",
            *(f"  {count:>9,}  {name}" for name, count in sorted(self.counts.items())),
            f"checkers: {len(self.anomalies)} anomalies",
        ]
        return lines + [f"  {anomaly.name}: {anomaly.text}" for anomaly in self.anomalies[:20]]


async def run_bank(directory: Path, clients: int, seconds: float, kills: int, seed: int) -> Summary:
    """Open the bank, let everything happen to it, and check what the clients saw."""
    router, ledger, draw = RouterProcess(directory), Ledger(), random.Random(seed)
    started = time.monotonic()
    await asyncio.to_thread(router.start)
    try:
        await open_bank(router)
        bank = make_clients(clients, router.port, ledger, seed)
        tasks = [asyncio.ensure_future(client.run()) for client in bank]
        await _let_happen(router, bank, seconds, kills, draw)
        for client in bank:
            client.is_stopping = True
        await asyncio.gather(*tasks)
        version = await settle(router, bank, ledger)
        code = await asyncio.to_thread(router.stop)
    except BaseException:
        router.kill()
        sys.stderr.write(router.text[-4000:])
        raise
    if code != 0 or "Traceback" in router.text:
        ledger.found("router", "router", f"exit code {code}:\n{router.text[-2000:]}")
    states = ledger.checked_states()
    anomalies = [*ledger.anomalies, *check_bank(OPENING, ledger.transfers, ledger.applied, states)]
    return Summary(time.monotonic() - started, router.starts - 1, clients, version, ledger.counts, anomalies)


def make_clients(count: int, port: int, ledger: Ledger, seed: int) -> list[Client]:
    """Give clients, of which each fourth uses the library."""
    return [
        (LibraryClient if number % 4 == 3 else BankClient)(f"c{number}", port, ledger, seed + number)
        for number in range(count)
    ]


async def open_bank(router: RouterProcess) -> None:
    link = RawClient(lambda args, kwargs: None)
    await link.join(router.port)
    document = {"accounts": OPENING, "last": {}}
    await link.call("dstm.bank.put", "", document)
    await link.close()


async def _let_happen(
    router: RouterProcess, bank: list[Client], seconds: float, kills: int, draw: random.Random
) -> None:
    """Cut sockets all the time; kill the router at moments spread over the time."""
    started = time.monotonic()
    moments = [seconds * (number + draw.uniform(0.3, 0.9)) / kills for number in range(kills)]
    while (passed := time.monotonic() - started) < seconds or moments:
        if moments and passed >= moments[0]:
            moments.pop(0)
            await asyncio.to_thread(router.kill)
            await asyncio.to_thread(router.start)
        if draw.random() < 0.9:
            draw.choice(bank).cut()
        await asyncio.sleep(draw.uniform(0, 2 / _CUTS_PER_SECOND))


async def settle(router: RouterProcess, bank: list[Client], ledger: Ledger) -> int:
    """Bring every replica to the end, compare it with the server, and complete the log from its history."""
    link = RawClient(lambda args, kwargs: None)
    await link.join(router.port)
    values, told = await link.call("dstm.bank.get", "/accounts")
    for client in bank:
        await _follow(client, link, router.port)
        ledger.counts["replicas at the end"] += 1
        if client.position != (told["epoch"], told["version"]) or client.balances != values[0]:
            ledger.found("replica not equal", client.name, f"{client.position}, {told}")
    if sum(values[0].values()) != TOTAL:
        ledger.found("wrong sum", "server", f"{sum(values[0].values())} at the end")
    await _complete_log(link, ledger, told["version"])
    await link.close()
    return int(told["version"])


async def _follow(client: Client, link: RawClient, port: int) -> None:
    """Bring a replica to the server's version."""
    if isinstance(client, BankClient):
        await client.synchronize(link)
        return
    own = SocketLink()
    await own.client.join(port)
    await client.follow(own)
    await own.client.close()


async def _complete_log(link: RawClient, ledger: Ledger, newest: int) -> None:
    """Ask for the versions that no replica passed through; all replicas may have been cut off then."""
    for version in range(1, newest + 1):
        if version not in ledger.log:
            ledger.counts["versions from the history"] += 1
            _, reply = await link.call("dstm.bank.history", version, version)
            for change in reply["entries"][0]["changes"]:
                place = change["path"].split("/")
                if place[1:2] == ["last"] and len(place) == 3:
                    ledger.note_entry("history", version, f"{place[2]}:{change['value']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        summary = asyncio.run(
            run_bank(Path(directory), options.clients, options.seconds, options.kills, options.seed)
        )
    print("\n".join(summary.lines()))
    return 1 if summary.anomalies else 0


if __name__ == "__main__":
    sys.exit(main())
