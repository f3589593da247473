"""Yesterday's backup under running replicas: every replica ends equal to the server."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bank_over_sockets import Client, make_clients, open_bank, settle
from dstm_bank import Ledger
from dstm_raw_client import RawClient
from dstm_router_process import RouterProcess

Save = Callable[[RouterProcess, Path], None]


async def _call(router: RouterProcess, procedure: str, *args: object) -> object:
    link = RawClient(lambda args, kwargs: None)
    await link.join(router.port)
    answer = await link.call(procedure, *args)
    await link.close()
    return answer


async def _transfer_for(seconds: float, bank: list[Client]) -> None:
    tasks = [asyncio.ensure_future(client.run()) for client in bank]
    for client in bank:
        client.is_stopping = False
    await asyncio.sleep(seconds)
    for client in bank:
        client.is_stopping = True
    await asyncio.gather(*tasks)


async def _restore(router: RouterProcess, is_running: bool, save: Save, load: Save, saved: Path) -> Ledger:
    """Live, save, live on, go back to what was saved, and live on; gives what all saw of the last part."""
    ledger = Ledger()
    await asyncio.to_thread(router.start)
    await open_bank(router)
    bank = make_clients(8, router.port, ledger, 1)
    await _transfer_for(0.7, bank)
    if is_running:
        await _call(router, "dstm.backup", "bank", "yesterday")
    else:
        await asyncio.to_thread(router.stop)
    save(router, saved)
    if not is_running:
        await asyncio.to_thread(router.start)
    await _transfer_for(0.7, bank)
    epochs = {client.position[0] for client in bank}
    await asyncio.to_thread(router.kill)
    load(router, saved)
    ledger.forget()
    await asyncio.to_thread(router.start)
    await _transfer_for(0.7, bank)
    await settle(router, bank, ledger)
    assert await asyncio.to_thread(router.stop) == 0, router.text
    ledger.counts["epochs changed"] = not epochs & {client.position[0] for client in bank}
    return ledger


def _folder(router: RouterProcess) -> Path:
    return router.data / "realm1" / "dstm"


def _save_backup(router: RouterProcess, saved: Path) -> None:
    shutil.copy(_folder(router) / "backup" / "yesterday.sqlite3", saved)


def _load_backup(router: RouterProcess, saved: Path) -> None:
    for suffix in ("-wal", "-shm"):
        (_folder(router) / f"bank.sqlite3{suffix}").unlink(missing_ok=True)
    shutil.copy(saved, _folder(router) / "bank.sqlite3")


def test_a_backup_made_while_running(tmp_path: Path) -> None:
    """The copy is another history: a new epoch, and every replica begins anew."""
    router = RouterProcess(tmp_path)
    ledger = asyncio.run(_restore(router, True, _save_backup, _load_backup, tmp_path / "saved"))
    assert ledger.anomalies == []
    assert ledger.counts["epochs changed"]
    assert ledger.counts["replicas at the end"] == 8


def _save_directory(router: RouterProcess, saved: Path) -> None:
    shutil.copytree(router.data, saved)


def _load_directory(router: RouterProcess, saved: Path) -> None:
    shutil.rmtree(router.data)
    shutil.copytree(saved, router.data)


def test_a_whole_directory_put_back(tmp_path: Path) -> None:
    """Nothing tells the router that its files are old; the replicas find out by the hash of their version."""
    router = RouterProcess(tmp_path)
    ledger = asyncio.run(_restore(router, False, _save_directory, _load_directory, tmp_path / "saved"))
    unequal = [anomaly for anomaly in ledger.anomalies if anomaly.name == "replica not equal"]
    assert unequal == []
    assert ledger.counts["replicas at the end"] == 8


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_router_that_starts_again_has_its_epoch(tmp_path: Path, is_killed: bool) -> None:
    """What is no other history gets no other epoch: replicas go on where they were."""

    async def epochs() -> set[str]:
        router = RouterProcess(tmp_path)
        found = set()
        for _ in range(2):
            await asyncio.to_thread(router.start)
            answer = await _call(router, "dstm.bank.get", "")
            found.add(answer[1]["epoch"])  # type: ignore[index]  # a pair of args and kwargs
            await asyncio.to_thread(router.kill if is_killed else router.stop)
        return found

    assert len(asyncio.run(epochs())) == 1
