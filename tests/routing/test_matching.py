"""Matching of concrete URIs: WAMP AP 'Pattern-based Registrations' and 'Pattern-based Subscription'."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.routing.matching import PatternTable, TooManyShapes

EXAMPLE = {
    1: ("exact", "a1.b2.c3.d4.e55"),
    2: ("prefix", "a1.b2.c3"),
    3: ("prefix", "a1.b2.c3.d4"),
    4: ("wildcard", "a1.b2..d4.e5"),
    5: ("wildcard", "a1.b2.c33..e5"),
    6: ("wildcard", "a1.b2..d4.e5..g7"),
    7: ("wildcard", "a1.b2..d4..f6.g7"),
}


def table_of(*entries, **options):
    table = PatternTable(**options)
    for match, uri in entries:
        table.insert(match, uri, (match, uri))
    return table


def specification_table(without=()):
    table = PatternTable()
    for number, (match, uri) in EXAMPLE.items():
        if number not in without:
            table.insert(match, uri, number)
    return table


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("a1.b2.c3.d4.e55", 1),
        ("a1.b2.c3.d98.e74", 2),
        ("a1.b2.c3.d4.e325", 3),
        ("a1.b2.c55.d4.e5", 4),
        ("a1.b2.c88.d4.e5.f6.g7", 6),
        ("a2.b2.c2.d2.e2", None),
    ],
)
def test_the_examples_of_the_specification(uri, expected):
    assert specification_table().best(uri) == expected


def test_a_prefix_matches_by_characters_where_the_specification_disagrees_with_itself():
    """Its example gives ``a1.b2.c33.d4.e5`` to RPC 5, but RPC 2 is a prefix of it by characters."""
    assert specification_table().best("a1.b2.c33.d4.e5") == 2
    assert specification_table(without=[2]).best("a1.b2.c33.d4.e5") == 5
    assert specification_table().all("a1.b2.c33.d4.e5") == [2, 5, 4]


def test_prefix_matching_examples():
    table = table_of(("prefix", "com.myapp.topic.emergency"))
    for uri in ("", ".11", "-low", ".category.severe"):
        assert table.best("com.myapp.topic.emergency" + uri) is not None
    assert table.best("com.myapp.topic.emerge") is None


def test_wildcard_matching_examples():
    table = table_of(("wildcard", "com.myapp..userevent"))
    for uri in ("com.myapp.foo.userevent", "com.myapp.a12.userevent"):
        assert table.best(uri) is not None
    for uri in ("com.myapp.foo.userevent.bar", "com.myapp.foo.user", "com.myapp2.foo.userevent"):
        assert table.best(uri) is None


def test_all_gives_every_match_best_first():
    entries = [
        ("wildcard", ".."),
        ("prefix", ""),
        ("wildcard", "a.b."),
        ("prefix", "a.b"),
        ("wildcard", ".b.c"),
        ("wildcard", "a..c"),
        ("exact", "a.b.c"),
        ("prefix", "a.b.c"),
        ("wildcard", "a.b.c"),
    ]
    expected = [
        ("exact", "a.b.c"),
        ("prefix", "a.b.c"),
        ("prefix", "a.b"),
        ("prefix", ""),
        ("wildcard", "a.b.c"),
        ("wildcard", "a.b."),
        ("wildcard", "a..c"),
        ("wildcard", ".b.c"),
        ("wildcard", ".."),
    ]
    assert table_of(*entries).all("a.b.c") == expected
    assert table_of(*reversed(entries)).all("a.b.c") == expected


def test_a_table_without_patterns_says_so():
    table = table_of(("exact", "a"))
    assert (table.has_patterns, table.exact) == (False, {"a": ("exact", "a")})
    assert (table.best("b"), table.all("b"), table.all("a")) == (None, [], [("exact", "a")])
    table.insert("prefix", "x", 1)
    table.insert("wildcard", "x.", 2)
    assert table.has_patterns
    table.remove("prefix", "x")
    assert table.has_patterns
    table.remove("wildcard", "x.")
    assert not table.has_patterns


@pytest.mark.parametrize("match", ["exact", "prefix", "wildcard"])
def test_insert_replaces_and_remove_returns(match):
    table = PatternTable()
    table.insert(match, "a.b", 1)
    table.insert(match, "a.b", 2)
    assert (len(table), table.get(match, "a.b"), table.all("a.b")) == (1, 2, [2])
    assert table.remove(match, "a.b") == 2
    assert (len(table), table.get(match, "a.b"), table.all("a.b")) == (0, None, [])
    with pytest.raises(KeyError):
        table.remove(match, "a.b")


def test_policies_do_not_mix():
    table = table_of(("prefix", "a"))
    assert (table.get("exact", "a"), table.get("wildcard", "a")) == (None, None)


def test_removing_one_of_several_leaves_the_others():
    entries = [
        ("prefix", "a.b"),
        ("prefix", "a.c"),
        ("wildcard", "a."),
        ("wildcard", "b."),
        ("wildcard", ".b"),
    ]
    table = table_of(*entries)
    table.remove("prefix", "a.c")
    table.remove("wildcard", "b.")
    table.remove("wildcard", ".b")
    assert table.all("a.b") == [("prefix", "a.b"), ("wildcard", "a.")]
    assert table.all("b.b") == []


def test_iteration_gives_match_uri_and_value():
    entries = [("wildcard", "a."), ("exact", "a"), ("prefix", "a"), ("exact", "b")]
    expected = [("exact", "a"), ("exact", "b"), ("prefix", "a"), ("wildcard", "a.")]
    assert [(match, uri) for match, uri, _ in table_of(*entries)] == expected


def test_falsy_values_are_values():
    table = PatternTable()
    for match, uri in (("exact", "a.b"), ("prefix", "a"), ("wildcard", "a.")):
        table.insert(match, uri, 0)
    assert (table.best("a.b"), table.best("a.c"), table.all("a.b")) == (0, 0, [0, 0, 0])


def test_an_unknown_policy_is_named():
    for use in (
        lambda t: t.insert("regex", "a", 1),
        lambda t: t.remove("regex", "a"),
        lambda t: t.get("regex", "a"),
    ):
        with pytest.raises(ValueError, match="match policy 'regex' is none of exact, prefix, wildcard"):
            use(PatternTable())


def all_combinations(depth):
    """Give every wildcard pattern of ``depth`` components over ``a`` and the wildcard: 2**depth of them."""
    return [".".join("a" if number >> bit & 1 else "" for bit in range(depth)) for number in range(2**depth)]


def test_hostile_combinations_of_wildcards_are_bounded():
    """2**10 shapes of one length: the table takes ``max_shapes``, and a refused insert changes nothing."""
    table = PatternTable(max_shapes=16)
    patterns = all_combinations(10)
    for pattern in patterns[:16]:
        table.insert("wildcard", pattern, pattern)
    before = list(table)
    for pattern in patterns[16:]:
        with pytest.raises(TooManyShapes, match=r"10 components .* at most 16 .* would be one more"):
            table.insert("wildcard", pattern, pattern)
    assert list(table) == before
    assert len(table.all(".".join("a" * 10))) == 16
    table.insert("wildcard", patterns[3].replace("a", "b"), "a shape that is in use")
    table.insert("wildcard", "a.", "another number of components")
    table.remove("wildcard", patterns[0])
    table.insert("wildcard", patterns[16], "room again")


class CountingDict(dict):
    lookups = 0

    def get(self, *args):
        self.lookups += 1
        return super().get(*args)


def test_a_lookup_does_not_walk_over_the_patterns():
    """1,000 patterns of one shape and 1,000 prefixes of one length cost one access each."""
    table = PatternTable()
    for number in range(1000):
        table.insert("wildcard", f"a{number}..c", number)
        table.insert("prefix", f"p{number:04}", number)
    shape = table._shapes[3][0]
    shape.values = CountingDict(shape.values)
    table._prefixes = CountingDict(table._prefixes)
    assert table.best("a777.b.c") == 777
    assert (len(table._shapes[3]), shape.values.lookups, table._prefixes.lookups) == (1, 1, 1)


def naive_matches(match, pattern, uri):
    if match == "prefix":
        return uri.startswith(pattern)
    if match == "exact":
        return uri == pattern
    ours, theirs = pattern.split("."), uri.split(".")
    return len(ours) == len(theirs) and all(a in ("", b) for a, b in zip(ours, theirs, strict=True))


def naive_order(entry):
    """Sort key, best first: the portions of a wildcard pattern are the runs between its wildcards."""
    match, pattern = entry
    if match == "exact":
        return (0, [])
    if match == "prefix":
        return (1, [-len(pattern)])
    portions, run = [], 0
    for component in pattern.split("."):
        if component:
            run += 1
        else:
            portions.append(-run)
            run = 0
    return (2, [*portions, -run])


components = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=5)
patterns = st.one_of(
    st.tuples(st.just("exact"), components.map(".".join)),
    st.tuples(
        st.just("prefix"), st.tuples(components, st.integers(0, 9)).map(lambda x: ".".join(x[0])[: x[1]])
    ),
    st.tuples(
        st.just("wildcard"),
        st.lists(st.sampled_from(["", "", "a", "b", "ab"]), min_size=1, max_size=5).map(".".join),
    ),
)


@given(
    st.lists(patterns, unique=True, max_size=40), st.lists(components.map(".".join), max_size=8), st.data()
)
def test_agrees_with_a_naive_oracle(entries, uris, data):
    table = table_of(*entries)
    removed = data.draw(st.lists(st.sampled_from(entries), unique=True)) if entries else []
    for match, pattern in removed:
        table.remove(match, pattern)
    left = [entry for entry in entries if entry not in removed]
    assert len(table) == len(left)
    for uri in uris:
        expected = sorted((entry for entry in left if naive_matches(*entry, uri)), key=naive_order)
        assert table.all(uri) == expected
        assert table.best(uri) == (expected[0] if expected else None)
