"""
A bank: money moves in transactions, and who lacks it waits for it.

    python dstm_bank.py [URL of the router]
"""

import sys

from autobahn.twisted.component import Component
from twisted.internet.defer import gatherResults
from twisted.internet.task import react

import realms.dstm.client as dstm

NAMES = ("ann", "bob", "carol")


def found(tx):
    tx["/bank"] = dict.fromkeys(NAMES, 10)


def transfer(tx, giver, taker, amount):
    if tx[f"/bank/{giver}"] < amount:
        tx.retry()  # sleeps until something changes that was read here
    tx.inc(f"/bank/{giver}", -amount)
    tx.inc(f"/bank/{taker}", amount)


def from_any(taker, amount):
    """Take from the first who has enough."""
    givers = [name for name in NAMES if name != taker]
    return dstm.or_else(*(lambda tx, giver=giver: transfer(tx, giver, taker, amount) for giver in givers))


async def main(reactor, session):
    bank = await dstm.open(session, "demo")
    await bank.atomically(found)
    print("founded:", bank["/bank"])

    await bank.atomically(transfer, "ann", "bob", 4)
    print("ann paid:", bank["/bank"])

    stop = bank.watch("/bank/ann", lambda balance: print("ann has:", balance))
    waiting = bank.atomically(transfer, "ann", "carol", 15)  # she has not got 15 yet
    await bank.atomically(transfer, "bob", "ann", 12)
    await waiting
    print("ann paid when she could:", bank["/bank"])
    stop()

    await bank.atomically(from_any("ann", 20))
    print("carol paid, since bob could not:", bank["/bank"])

    # Ten at once, in both directions: whoever meets another's change runs again.
    await gatherResults(
        [bank.atomically(transfer, *pair, 1) for pair in [("ann", "carol"), ("carol", "ann")] * 5]
    )
    print("the sum is still", sum(bank["/bank"].values()))


url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/ws"
react(Component(transports=url, realm="realm1", main=main).start)
