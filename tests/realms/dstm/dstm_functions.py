"""Transaction functions and predicates that the tests name in a configuration."""

from typing import Any

from realms.dstm.errors import DstmError

runs: list[str] = []


def take(tx: Any, item: str, amount: int = 1, note: str | None = None) -> Any:
    """Take from the stock, and give what is left; wait where there is not enough."""
    runs.append(item)
    if tx.get(f"/stock/{item}", 0) < amount:
        tx.retry()
    tx.inc(f"/stock/{item}", -amount)
    if note is not None:
        tx["/note"] = note
    return {"left": tx[f"/stock/{item}"]}


def announce(tx: Any, topic: str) -> None:
    tx.inc("/announced", 1)
    tx.publish(topic, "sold", by="run")


def refuse(tx: Any) -> None:
    tx["/touched"] = True
    raise DstmError("com.example.no_money", "not enough", have=1)


def fail(tx: Any) -> None:
    tx["/touched"] = True
    raise ZeroDivisionError


def odd(tx: Any) -> Any:
    return {"result": object()}


def restart(tx: Any) -> None:
    tx.restart()


not_a_function = 7
