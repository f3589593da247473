"""Nonces: used once while they are remembered, bounded for each owner."""

from router.web.bridge.nonces import SWEEP_AT, Nonces


def test_a_nonce_is_used_once_while_it_is_remembered() -> None:
    nonces = Nonces()
    assert nonces.use("a", "n", 0.0, 10.0, 5) == ""
    assert nonces.use("a", "n", 9.9, 10.0, 5) == "this nonce was used before"
    assert nonces.use("a", "n", 10.0, 10.0, 5) == ""


def test_owners_do_not_share_them() -> None:
    nonces = Nonces()
    assert nonces.use("a", "n", 0.0, 10.0, 1) == ""
    assert nonces.use("b", "n", 0.0, 10.0, 1) == ""
    assert nonces.use("a", "m", 1.0, 10.0, 1) == "limit nonces=1 is reached"
    assert nonces.use("a", "m", 10.0, 10.0, 1) == ""


def test_owners_without_nonces_are_forgotten() -> None:
    nonces = Nonces()
    for number in range(SWEEP_AT):
        nonces.use(number, "n", 0.0, 1.0, 1)
    nonces.use("late", "n", 2.0, 1.0, 1)
    assert set(nonces._used) == {"late"}
