"""The bank over real sockets, in short: killed routers, cut sockets, doubled submissions, no anomaly."""

import asyncio
from pathlib import Path

from bank_over_sockets import run_bank


def test_a_bank_survives_kills_and_cuts(tmp_path: Path) -> None:
    """No acknowledged commit lost, none applied twice, the sum right at every version of every replica."""
    summary = asyncio.run(run_bank(tmp_path, clients=8, seconds=8, kills=3, seed=7))
    report = "\n".join(summary.lines())
    assert summary.anomalies == [], report
    assert summary.kills == 3, report
    assert summary.counts["ok"] > 100, report
    assert summary.counts["connections lost"] > 10, report
