"""
What the dealer alone costs for one plain call: ``python -m benchmarks.dealer_hot_path``.

One caller, one callee, an exact registration, no options. Prints microseconds for ``call`` and for
``yield_``, the best of several rounds, messages ready-made, the construction of outputs included.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from msgspec import Raw

from router.routing.dealer import Dealer, DealerLimits
from router.routing.session import Session
from router.wamp.messages import Call, Register, Yield

ROUNDS = 25
WINDOW = 64
REPEATS = 200


def _microseconds(step: Callable[..., Any], batches: list[list[tuple[Any, ...]]]) -> list[float]:
    """Time ``step`` over each batch, in microseconds for one call of it."""
    found = []
    for batch in batches:
        start = perf_counter()
        for arguments in batch:
            step(*arguments)
        found.append((perf_counter() - start) / len(batch) * 1e6)
    return found


def main() -> None:
    """Print the two costs, and what the loop that measures them costs."""
    dealer = Dealer(limits=DealerLimits(), randbelow=lambda n: 0)
    callee, caller = Session(1), Session(2)
    dealer.register(callee, Register(1, {}, "com.example.echo"), "2024-01-01T00:00:00Z")
    payload = Raw(b'["' + b"x" * 64 + b'"]')
    calls, yields, request = [], [], 0
    for _ in range(ROUNDS * REPEATS):
        ids = range(request + 1, request + WINDOW + 1)
        request += WINDOW
        call_batch = [(caller, Call(id_, {}, "com.example.echo", payload), 0.0) for id_ in ids]
        yield_batch = [(callee, Yield(id_, {}, payload), 0.0) for id_ in ids]
        calls += _microseconds(dealer.call, [call_batch])
        yields += _microseconds(dealer.yield_, [yield_batch])
    loop = _microseconds(lambda peer, msg, now: None, [yield_batch] * 1000)
    for name, found in (("call", calls), ("yield_", yields), ("empty loop", loop)):
        found.sort()
        print(f"{name:12}best {found[0]:.3f} us   median {found[len(found) // 2]:.3f} us")


if __name__ == "__main__":
    main()
