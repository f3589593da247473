"""Strategies for hypothesis: JSON as documents hold it, and the texts that are hard for keys and pointers."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from realms.dstm.values import MAX_INTEGER

unhurried = settings(deadline=None)  # a shared machine may stand still at any moment

# Control characters, what is escaped in JSON or in pointers, and both sides of where UTF-16 sorts otherwise.
texts = st.text(
    st.sampled_from('ab0-~/"\\\b\n\x00\x1f\x7f\u00e9\u2028\ud7ff\uffff\U0001f600'), max_size=6
) | st.text(max_size=4)
keys = texts.filter(lambda key: key != "__proto__")
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
# Of each magnitude, also where the usual forms change to an exponent.
fractions = st.builds(
    lambda digits, exponent: digits * 10.0**exponent,
    st.integers(-(10**6), 10**6) | integers,
    st.integers(-320, 2),
) | st.floats(allow_nan=False, allow_infinity=False)
numbers = integers | fractions.filter(lambda number: number % 1 != 0)
scalars = st.none() | st.booleans() | numbers | texts.filter(lambda text: text[:1] != "\0")


def values(max_leaves: int = 20) -> st.SearchStrategy[Any]:
    """Give plain, normalized values."""
    return st.recursive(
        scalars,
        lambda below: st.lists(below, max_size=5) | st.dictionaries(keys, below, max_size=5),
        max_leaves=max_leaves,
    )
