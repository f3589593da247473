"""
Prometheus' text format, read strictly, and linted as ``promtool check metrics`` does.

The grammar is that of Prometheus' documentation, 'Exposition formats': every line counts, families stand
together, each has one HELP and one TYPE before its samples, and no sample comes twice.
"""

import re
from typing import NamedTuple

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL},?)*)\}})? (\S+)")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}


class Family(NamedTuple):
    kind: str
    help: str
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> dict[str, Family]:
    """Give name -> Family; an ``AssertionError`` names what is wrong."""
    families: dict[str, Family] = {}
    name = help_text = ""
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, help_text = line.split(" ", 3)
            assert re.fullmatch(NAME, name), line
        elif line.startswith("# TYPE "):
            _, _, named, kind = line.split(" ")
            assert named == name, f"TYPE without its HELP before it: {line}"
            assert kind in TYPES, line
            assert name not in families, f"a family twice: {line}"
            families[name] = Family(kind, help_text, {})
        else:
            _add_sample(line, name, families)
    for name, family in families.items():
        if family.kind == "histogram":
            _check_histogram(name, family)
    return families


def _add_sample(line: str, name: str, families: dict[str, Family]) -> None:
    found = SAMPLE.fullmatch(line)
    assert found, f"no sample: {line!r}"
    sample, labels, value = found[1], tuple(re.findall(LABEL, found[2] or "")), float(found[5])
    family = families[name]
    assert sample.removeprefix(name) in SUFFIXES[family.kind], f"{line} is not of {name}"
    keys = [key for key, _ in labels]
    assert len(set(keys)) == len(keys), line
    key = (sample, tuple(sorted(labels)))
    assert key not in family.samples, f"a sample twice: {line}"
    family.samples[key] = value


def _check_histogram(name: str, family: Family) -> None:
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for (sample, labels), value in family.samples.items():
        if sample.endswith("_bucket"):
            rest = tuple(pair for pair in labels if pair[0] != "le")
            series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for rest, buckets in series.items():
        assert buckets == sorted(buckets), f"{name}{rest}: bounds or counts fall"
        counts = [count for _, count in buckets]
        assert counts == sorted(counts), f"{name}{rest}: counts fall"
        assert buckets[-1][0] == float("inf"), f"{name}{rest}: no bucket +Inf"
        assert family.samples[f"{name}_count", rest] == counts[-1]
        assert (f"{name}_sum", rest) in family.samples


def lint(families: dict[str, Family]) -> list[str]:
    """Give what ``promtool check metrics`` warns of."""
    found = []
    for name, family in families.items():
        if not family.help:
            found.append(f"{name}: no help text")
        if family.kind == "counter" and not name.endswith("_total"):
            found.append(f"{name}: counters end with _total")
        if family.kind != "counter" and name.endswith("_total"):
            found.append(f"{name}: only counters end with _total")
        if family.kind not in ("histogram", "summary") and name.endswith(("_count", "_sum", "_bucket")):
            found.append(f"{name}: a suffix of histograms")
        if re.search(r"[a-z][A-Z]", name) or ":" in name:
            found.append(f"{name}: snake_case without colons")
        if re.search(r"_(ms|msec|milliseconds|minutes|hours|kb|mb|kilobytes|megabytes|percent)(_|$)", name):
            found.append(f"{name}: not a base unit")
        if re.search(r"_(gauge|counter|histogram)(_|$)", name):
            found.append(f"{name}: the type stands in the name")
        for _, labels in family.samples:
            if any(key == "le" for key, _ in labels) and family.kind != "histogram":
                found.append(f"{name}: le is for histograms")
    return found
