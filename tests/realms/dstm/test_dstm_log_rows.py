"""The rows of a log, and the sums that chain them."""

from collections.abc import Callable

import pytest

from realms.dstm.log import LogRefused
from realms.dstm.log.rows import NO_SUM, Row, checked, linked, record_of

BODIES = [b"a", b"b", b"", b"d"]


def rows() -> list[Row]:
    return list(linked(BODIES, 5, NO_SUM))


def test_right_rows() -> None:
    """Rows that are as they were made pass, from any place on."""
    made = rows()
    assert [body for _, body, _ in checked(made, 5, 8, NO_SUM, "t")] == BODIES
    assert list(checked(made[2:], 7, 8, made[1][2], "t")) == made[2:]
    assert list(checked([], 5, 4, NO_SUM, "t")) == []


def swap(made: list[Row]) -> list[Row]:
    (_, one, one_sum), (_, other, other_sum) = made[1:3]
    return [made[0], (6, other, other_sum), (7, one, one_sum), made[3]]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda made: made[1:], "t, row 5"),
        (lambda made: made[:2] + made[3:], "t, row 7"),
        (lambda made: made[:3], "t, row 8"),
        (lambda made: [*made, (9, b"e", NO_SUM)], "t, row 9"),
        (lambda made: [(4, b"e", NO_SUM), *made], "t, row 4"),
        (swap, "t, row 6"),
        (lambda made: [*made[:2], (7, b"x", made[2][2]), made[3]], "t, row 7"),
        (lambda made: [*made[:2], (7, b"", NO_SUM), made[3]], "t, row 7"),
        (lambda made: [*made[:2], (7, "text", made[2][2]), made[3]], "t, row 7"),
    ],
)
def test_wrong_rows(change: Callable[[list[Row]], list[Row]], place: str) -> None:
    """A row that is missing, too many, moved or changed is refused with its place."""
    with pytest.raises(LogRefused) as refused:
        list(checked(change(rows()), 5, 8, NO_SUM, "t"))
    assert refused.value.place == place


def test_other_beginning() -> None:
    """Rows that follow another row than they should are refused."""
    with pytest.raises(LogRefused, match="t, row 5: the row does not have its checksum"):
        list(checked(rows(), 5, 8, b"x" * 8, "t"))


def test_no_record() -> None:
    """A row that is right and holds no record is refused."""
    with pytest.raises(LogRefused, match="t, row 5: the row holds no record"):
        record_of(rows()[0], "t")
