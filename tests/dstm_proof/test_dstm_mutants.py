"""
Each known defect, planted into the real classes, is found by the simulation within a few hundred schedules.

``python tests/dstm_proof/test_dstm_mutants.py`` prints the list: the mutant, what caught it, the seed.
"""

import sys

import pytest
from dstm_mutants import MUTANTS, planted
from dstm_simulation import run

MOST_SEEDS = 3000
# A patch that no longer fits what it patches is no mutant.
_FITS_NOT = ("raised: AttributeError", "raised: TypeError", "raised: NameError")


def caught(mutant: str | None) -> tuple[int, str] | None:
    """Give the first seed with a finding, and that finding; None if all schedules are good."""
    with planted(mutant):
        for seed in range(MOST_SEEDS):
            findings = run(seed).findings
            assert not any(finding.startswith(_FITS_NOT) for finding in findings), findings
            if findings:
                return seed, findings[0]
    return None


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_mutant_is_caught(mutant: str) -> None:
    assert caught(mutant) is not None
    assert run(0).findings == []  # and it is gone


def main() -> int:
    missed = 0
    for mutant in MUTANTS:
        found = caught(mutant)
        missed += found is None
        seed, finding = found or (MOST_SEEDS, "NOT CAUGHT")
        print(f"{mutant:45} seed {seed:3}  {finding[:140]}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
