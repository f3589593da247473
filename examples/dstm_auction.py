"""
An auction: every bid is a transaction, so the highest one wins, and none comes after the end.

    python dstm_auction.py [URL of the router]
"""

import sys

from autobahn.twisted.component import Component
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.task import react

import realms.dstm.client as dstm


def offer(tx, item):
    tx["/auction"] = {"item": item, "open": True, "price": 0, "bidder": None, "bids": []}


def bid_more(tx, name, limit):
    """Bid one more than the others; return whether it is worth going on."""
    if not tx["/auction/open"]:
        return False
    if tx["/auction/bidder"] == name:
        tx.retry()  # sleeps until somebody bids more, or the auction ends
    price = tx["/auction/price"] + 1
    if price > limit:
        return False
    tx["/auction/price"] = price
    tx["/auction/bidder"] = name
    tx.push("/auction/bids", [name, price])
    return True


def end(tx):
    """Let the hammer fall; bids that were made before are counted, later ones are not."""
    tx["/auction/open"] = False
    return tx["/auction/bidder"], tx["/auction/price"]


def join(reactor, url):
    joined = Deferred()
    component = Component(transports=url, realm="realm1")
    component.on_join(lambda session, details: joined.callback(session))
    component.start(reactor)
    return joined


async def take_part(space, name, limit):
    while (await space.atomically(bid_more, name, limit)).value:
        pass
    return name


async def main(reactor, url="ws://127.0.0.1:8080/ws"):
    auctioneer = await dstm.open(await join(reactor, url), "demo")
    await auctioneer.atomically(offer, "a clock")
    bidders = []
    for name, limit in (("ann", 5), ("bob", 10), ("carol", 15)):
        space = await dstm.open(await join(reactor, url), "demo")
        bidders.append(ensureDeferred(take_part(space, name, limit)))

    print("these gave up:", await gatherResults(bidders[:2]))
    winner, price = (await auctioneer.atomically(end)).value
    await bidders[2]
    amounts = [amount for _, amount in auctioneer["/auction/bids"]]
    print(winner, "has it, for no more than was needed:", price in (10, 11))
    print("every bid was one more than the one before:", amounts == list(range(1, price + 1)))


react(main, sys.argv[1:])
