"""
The Python client of DSTM, over an unmodified Autobahn session, on Twisted or asyncio.

    import realms.dstm.client as dstm

    bank = await dstm.open(session, "bank")

    def transfer(tx, a, b, amount):
        if tx[f"/{a}"] < amount:
            tx.retry()  # sleep until something read here changes
        tx.inc(f"/{a}", -amount)
        tx.inc(f"/{b}", amount)

    version = await bank.atomically(transfer, "ann", "bob", 5)

An application that connects again after a broken connection makes its space once, and attaches each
session to it; nothing is lost, and nothing happens twice:

    bank = dstm.Space("bank")
    component = Component(transports=url, realm="realm1")
    component.on_join(bank.attach)

Nothing of the router is imported here.
"""

from realms.dstm.client.outcomes import Committed, UnknownOutcome
from realms.dstm.client.replica import Snapshot
from realms.dstm.client.settings import Counters, Settings
from realms.dstm.client.space import Space, open
from realms.dstm.client.synchronizer import State
from realms.dstm.errors import DstmError
from realms.dstm.stm import Tx, or_else

__all__ = [
    "Committed",
    "Counters",
    "DstmError",
    "Settings",
    "Snapshot",
    "Space",
    "State",
    "Tx",
    "UnknownOutcome",
    "open",
    "or_else",
]
