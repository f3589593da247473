"""Failed attempts to join: who is refused, for how long, and who is not."""

import pytest

from realms.auth.common_config import Failures
from realms.auth.throttle import FailedAttempts, network_of

HERE, THERE = "192.0.2.7", "198.51.100.8"


def counted(**settings: int) -> FailedAttempts:
    """Give a table in which an attempt comes back each 20 s for a name, and each 10 s for an address."""
    known = {
        "window_ms": 100_000,
        "authid_attempts": 5,
        "address_attempts": 10,
        "authid_attempts_anywhere": 20,
        "entries": 1000,
    }
    return FailedAttempts(Failures(**{**known, **settings}))


def fail(attempts: FailedAttempts, times: int, authid: str | None = "ann", host: str = HERE) -> None:
    for _ in range(times):
        attempts.failed(host, authid, 0.0)


def test_nobody_waits_who_has_not_failed() -> None:
    assert counted().wait(HERE, "ann", 0.0) == 0.0


def test_a_name_at_an_address() -> None:
    """Other names there, and this name elsewhere, go on."""
    attempts = counted()
    fail(attempts, 4)
    assert attempts.wait(HERE, "ann", 0.0) == 0.0
    fail(attempts, 1)
    assert attempts.wait(HERE, "ann", 0.0) == pytest.approx(20.0)
    assert attempts.wait(HERE, "ann", 15.0) == pytest.approx(5.0)
    assert attempts.wait(HERE, "ann", 20.0) == 0.0
    assert attempts.wait(HERE, "bob", 0.0) == 0.0
    assert attempts.wait(THERE, "ann", 0.0) == 0.0


def test_an_address_with_many_names() -> None:
    attempts = counted()
    for number in range(10):
        fail(attempts, 1, f"name{number}")
    assert attempts.wait(HERE, "ann", 0.0) == pytest.approx(10.0)
    assert attempts.wait(HERE, None, 0.0) == pytest.approx(10.0)
    assert attempts.wait(THERE, "name1", 0.0) == 0.0


def test_who_gives_no_name_has_the_budget_of_the_address() -> None:
    attempts = counted()
    fail(attempts, 10, None)
    assert attempts.wait(HERE, None, 0.0) > 0
    assert attempts.wait(THERE, None, 0.0) == 0.0


def test_a_name_attacked_from_everywhere_is_not_locked_out() -> None:
    """Each address gets one attempt for it; the owner comes from one that has not failed."""
    attempts = counted()
    for number in range(20):
        fail(attempts, 1, host=f"203.0.113.{number}")
    assert attempts.wait("203.0.113.1", "ann", 0.0) == pytest.approx(5.0)  # until one comes back to all
    assert attempts.wait("203.0.113.1", "bob", 0.0) == 0.0
    assert attempts.wait(HERE, "ann", 0.0) == 0.0
    attempts.succeeded(HERE, "ann")
    assert attempts.wait("203.0.113.1", "ann", 0.0) > 0


def test_success_forgives_the_name_and_not_the_address() -> None:
    attempts = counted(address_attempts=5)
    fail(attempts, 4)
    attempts.succeeded(HERE, "ann")
    fail(attempts, 1)
    assert attempts.wait(HERE, "ann", 0.0) == pytest.approx(20.0)
    assert attempts.wait(THERE, "ann", 0.0) == 0.0


def test_what_has_come_back_is_forgotten() -> None:
    attempts = counted()
    fail(attempts, 3)
    assert len(attempts) == 3
    assert attempts.wait(HERE, "ann", 1000.0) == 0.0
    assert len(attempts) == 0


def test_failures_that_were_judged_at_once_do_not_lock_for_ever() -> None:
    attempts = counted()
    fail(attempts, 1000)
    assert attempts.wait(HERE, "ann", 0.0) <= 121.0


def test_clients_without_an_address() -> None:
    """On a Unix socket names have budgets, and the socket has none."""
    attempts = counted()
    for number in range(100):
        fail(attempts, 1, f"name{number}", host="")
    assert attempts.wait("", "ann", 0.0) == 0.0
    fail(attempts, 5, host="")
    assert attempts.wait("", "ann", 0.0) > 0
    assert attempts.wait(HERE, "ann", 0.0) == 0.0


def test_the_table_is_bounded() -> None:
    attempts = counted(entries=100)
    for number in range(1000):
        fail(attempts, 1, "x" * 10**4 + str(number), host=f"10.0.{number // 250}.{number % 250}")
    assert len(attempts) == 100


def test_turned_off_and_on() -> None:
    attempts = counted()
    fail(attempts, 5)
    attempts.settings = Failures(enabled=False)
    assert attempts.wait(HERE, "ann", 0.0) == 0.0
    attempts.settings = Failures(authid_attempts=5)
    assert attempts.wait(HERE, "ann", 0.0) > 0


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(host: str, network: str) -> None:
    assert network_of(host) == network
