"""The table of ``make bench``: medians, ratios, and what is said about runs that can't be believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bench, targets


def finished(names: list[str], reports: dict[tuple[str, str], list[dict[str, float]]]) -> bench.Bench:
    """A bench that has measured ``reports``: (row, target) -> one report for each round."""
    options = bench.parse(["--quick"])
    chosen = [targets.Target(name, name, lambda directory, port: []) for name in names]
    measured = bench.Bench(Path("generator"), Path("scratch"), chosen, options)
    measured.reports.update(reports)
    return measured


def row(name: str) -> bench.Row:
    return next(found for found in bench.ROWS if found.name == name)


def cells(measured: bench.Bench, name: str) -> list[list[str]]:
    return [line.split() for line in bench.table(measured, [row(name)]).splitlines()]


def test_a_cell_is_the_median_and_a_ratio_is_of_medians() -> None:
    router = [{"calls_per_s": 90_000.0}, {"calls_per_s": 210_000.0}, {"calls_per_s": 140_000.0}]
    measured = finished(
        ["router", "bare"],
        {("calls-256", "router"): router, ("calls-256", "bare"): [{"calls_per_s": 200_000.0}]},
    )
    header, line, _ = cells(measured, "calls-256")
    assert header == ["router", "bare", "router/bare"]
    assert line[-3:] == ["140,000", "200,000", "0.70"]


def test_what_could_not_be_measured_is_a_dash() -> None:
    measured = finished(["router", "bare"], {("calls-256", "bare"): [{"calls_per_s": 200_000.0}]})
    assert cells(measured, "calls-256")[1][-3:] == ["-", "200,000", "-"]


def test_a_busy_generator_and_a_busy_machine_are_remarked_upon() -> None:
    report = {"calls_per_s": 1.0, "self_cpu_pct": 99.0, "router_cpu_pct": 50.0, "other_cpu_pct": 40.0}
    remarks = bench.remarks(finished(["serve"], {("calls-256", "serve"): [report]}))
    assert len(remarks) == 2
    assert "calls-256, serve: the generator was the bottleneck" in remarks[0]
    assert "other processes used 40 % of a core" in remarks[1]


def test_rows_with_idle_sessions_are_measured_together() -> None:
    names = [[found.name for found in group] for group in bench.groups(bench.ROWS)]
    assert names[-1] == ["idle-events", "idle-calls"]
    assert sorted(name for group in names for name in group) == sorted(found.name for found in bench.ROWS)


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=r"--target nexus: there are serve"):
        bench.choose([targets.serve_target(Path("generator"))], ["nexus"])
