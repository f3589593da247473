"""The reader of the tests finds what is wrong."""

import prometheus_text
import pytest

GOOD = """\
# HELP a_total How often.
# TYPE a_total counter
a_total{b="c"} 1.0
a_total{b="d \\"e\\""} 2.0
# HELP t_seconds How long.
# TYPE t_seconds histogram
t_seconds_bucket{le="1.0"} 1.0
t_seconds_bucket{le="+Inf"} 2.0
t_seconds_count 2.0
t_seconds_sum 3.5
"""


def test_what_is_good():
    families = prometheus_text.read(GOOD)
    assert families["a_total"].samples["a_total", (("b", "c"),)] == 1
    assert prometheus_text.lint(families) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('a_total{b="d \\"e\\""}', 'a_total{b="c"}'),
        ("a_total{b=", "b_total{b="),
        ('{b="c"}', '{b="c",b="d"}'),
        ("# TYPE a_total", "# TYPE other"),
        ('{le="+Inf"} 2.0', '{le="+Inf"} 0.5'),
        ('t_seconds_bucket{le="+Inf"} 2.0\n', ""),
        ("t_seconds_count 2.0", "t_seconds_count 3.0"),
        ("t_seconds_sum 3.5", ""),
        ("counter", "number"),
    ],
)
def test_what_is_wrong(old, new):
    assert old in GOOD
    with pytest.raises((AssertionError, KeyError)):
        prometheus_text.read(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# HELP a x\n# TYPE a counter\na 1.0\n", "counters end with _total"),
        ("# HELP a_total x\n# TYPE a_total gauge\na_total 1.0\n", "only counters end with _total"),
        ("# HELP a \n# TYPE a gauge\na 1.0\n", "no help text"),
        ("# HELP a_count x\n# TYPE a_count gauge\na_count 1.0\n", "a suffix of histograms"),
        ("# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1.0\n", "not a base unit"),
        ("# HELP aB x\n# TYPE aB gauge\naB 1.0\n", "snake_case"),
        ("# HELP a_gauge x\n# TYPE a_gauge gauge\na_gauge 1.0\n", "the type stands"),
    ],
)
def test_what_lints(text, said):
    [warning] = prometheus_text.lint(prometheus_text.read(text))
    assert said in warning
