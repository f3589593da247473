"""The machinery: a YAML file against typed Python, every problem at its place."""

import copy
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from router.configuration import (
    ConfigurationError,
    Document,
    Problem,
    Secret,
    SecretSources,
    Section,
    did_you_mean,
    json_schema,
    path_text,
    read,
    reference,
    tree,
    walk,
)


def _check_even(number: int) -> str | None:
    return f"must be even, got {number}" if number % 2 else None


class Inner(Section, frozen=True, kw_only=True):
    """An inner section."""

    needed: Annotated[
        str, Meta(description="A name of a thing.", title="thing", extra={"refers_to": "things"})
    ]


class Red(Section, frozen=True, kw_only=True, tag_field="type", tag="red"):
    """A red one."""

    depth: Annotated[int, Meta(description="How deep.", ge=1, le=9)] = 1


class Blue(Section, frozen=True, kw_only=True, tag_field="type", tag="blue"):
    """A blue one."""


class Shape(Section, frozen=True, kw_only=True):
    """What the tests check against."""

    flag: Annotated[bool, Meta(description="A flag.")] = False
    even: Annotated[int, Meta(description="An even number.", le=100, extra={"check": _check_even})] = 0
    text: Annotated[str, Meta(description="Text.", min_length=1, max_length=5, examples=["abc"])] = "x"
    colour: Annotated[Literal["green", "white"], Meta(title="colour", description="A colour.")] = "green"
    items: Annotated[tuple[int, ...], Meta(description="Numbers.", max_length=3)] = ()
    things: Annotated[dict[str, int], Meta(description="Numbers by name.")] = {}
    inner: Annotated[Inner | None, Meta(description="May be absent.")] = None
    kinds: Annotated[tuple[Red | Blue, ...], Meta(description="Of two kinds.")] = ()
    password: Annotated[Secret | None, Meta(description="A secret.")] = None


@pytest.fixture
def check(tmp_path: Path) -> Any:
    """Return a function that reads a text as a file of ``Shape``."""

    def checked(text: str | bytes, environ: dict[str, str] | None = None) -> Document[Shape]:
        file = tmp_path / "file.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return read(file, Shape, {Secret: SecretSources(tmp_path, environ or {}).read})

    return checked


def places(document: Document[Any]) -> list[tuple[int, int, str]]:
    return [(p.line, p.column, p.path) for p in sorted(document.problems)]


def messages(document: Document[Any]) -> list[str]:
    return [p.message for p in sorted(document.problems)]


class TestValues:
    @pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "---\n", "null"])
    def test_an_empty_file_gives_the_defaults(self, check: Any, text: str) -> None:
        assert check(text).value == Shape()

    def test_every_type(self, check: Any) -> None:
        document = check(
            "flag: yes\neven: 1_0\ntext: abc\ncolour: white\nitems: [0x10, 0b11, -5]\nthings: {a: 1__0_}\n"
            "inner: {needed: a}\nkinds:\n- type: red\n  depth: 2\n- {type: blue}\npassword: hunter2\n"
        )
        expected = Shape(
            flag=True,
            even=10,
            text="abc",
            colour="white",
            items=(16, 3, -5),
            things={"a": 10},
            inner=Inner(needed="a"),
            kinds=(Red(depth=2), Blue()),
            password=Secret("hunter2"),
        )
        assert document.problems == []
        assert document.value == expected

    def test_null_is_an_absent_optional_an_empty_section_and_an_empty_mapping(self, check: Any) -> None:
        assert check("inner:\nthings:\n").value == Shape()

    def test_an_alias_repeats_a_value_and_its_problem(self, check: Any) -> None:
        assert check("items: &a [1]\nthings: {x: &n 4}\neven: *n\n").value == Shape(
            items=(1,), things={"x": 4}, even=4
        )
        assert places(check("things: {x: &n no, y: *n}")) == [(1, 13, "things.x"), (1, 13, "things.y")]

    def test_a_byte_order_mark_is_no_text(self, check: Any) -> None:
        assert check(b"\xef\xbb\xbfeven: 2").value == Shape(even=2)


class TestProblems:
    @pytest.mark.parametrize(
        ("text", "place", "message"),
        [
            ("flag: 1", (1, 7, "flag"), "expected true or false, got 1 (which YAML reads as int)"),
            (
                "flag: !!bool maybe",
                (1, 7, "flag"),
                "expected true or false, got maybe (which YAML reads as bool)",
            ),
            ("text: !!str [a]", (1, 7, "text"), "expected a string, got a list"),
            ("colour: !!str [a]", (1, 9, "colour"), "expected one of green, white, got a list"),
            ("things: !!null [a]", (1, 9, "things"), "expected a mapping (key: value), got a list"),
            (
                "even: 0x_",
                (1, 7, "even"),
                "expected an integer in decimal, got 0x_ (which YAML reads as int)",
            ),
            ("even: ten", (1, 7, "even"), "expected an integer in decimal, got the string 'ten'"),
            (
                "even: 010",
                (1, 7, "even"),
                "expected an integer in decimal, got 010 (which YAML reads as int)",
            ),
            (
                "even: 1:30",
                (1, 7, "even"),
                "expected an integer in decimal, got 1:30 (which YAML reads as int)",
            ),
            (
                "even: 2.0",
                (1, 7, "even"),
                "expected an integer in decimal, got 2.0 (which YAML reads as float)",
            ),
            ("even: 102", (1, 7, "even"), "must be at most 100, got 102"),
            ("even: " + "9" * 5000, (1, 7, "even"), "must be at most 100, got " + "9" * 40),
            ("even: 3", (1, 7, "even"), "must be even, got 3"),
            (
                "text: no",
                (1, 7, "text"),
                "expected a string, got no (which YAML reads as bool): put it in quotes",
            ),
            ("text: [a]", (1, 7, "text"), "expected a string, got a list"),
            ("text: {a: b}", (1, 7, "text"), "expected a string, got a mapping"),
            ("text:", (1, 6, "text"), "expected a string, got nothing (null)"),
            ("text: abcdef", (1, 7, "text"), "must have 1 to 5 characters, got 6"),
            ("colour: gren", (1, 9, "colour"), "unknown colour 'gren': did you mean 'green'?"),
            ("colour: purple", (1, 9, "colour"), "unknown colour 'purple' (allowed: green, white)"),
            (
                "colour: 3",
                (1, 9, "colour"),
                "expected one of green, white, got 3 (which YAML reads as int): put it in quotes",
            ),
            ("items: 3", (1, 8, "items"), "expected a list, got 3 (which YAML reads as int)"),
            ("items: [1, 2, 3, 4]", (1, 8, "items"), "must have at most 3 entries, got 4"),
            ("items: [1,\n  x]", (2, 3, "items[1]"), "expected an integer in decimal, got the string 'x'"),
            ("things: [1]", (1, 9, "things"), "expected a mapping (key: value), got a list"),
            (
                "things: {1: 2}",
                (1, 10, "things"),
                "a key must be a string, got 1 (which YAML reads as int): put it in quotes",
            ),
            ("things: {[1]: 2}", (1, 10, "things"), "a key must be a string, got a list"),
            (
                "things: {a.b: x}",
                (1, 15, "things['a.b']"),
                "expected an integer in decimal, got the string 'x'",
            ),
            ("things: &a {b: 1}\ninner: {needed: b, <<: *a}", (2, 20, "inner"), None),
            ("\neven: 2\neven: 4", (3, 1, "even"), "duplicate key 'even': it is also on line 2"),
            ("evne: 2", (1, 1, "evne"), "unknown key 'evne': did you mean 'even'?"),
            (
                "things: {apple: 1}\ninner: {needed: aple}",
                (2, 17, "inner.needed"),
                "unknown thing 'aple': did you mean 'apple'?",
            ),
            (
                "inner: {needed: a}",
                (1, 17, "inner.needed"),
                "unknown thing 'a': nothing is defined under 'things'",
            ),
            ("even: 2\ninner: {}", (2, 1, "inner.needed"), "missing: the key 'needed' is required"),
            (
                "kinds: [red]",
                (1, 9, "kinds[0]"),
                "expected a mapping with the key 'type', got the string 'red'",
            ),
            ("kinds:\n- depth: 1", (2, 3, "kinds[0].type"), "missing: one of red, blue"),
            ("kinds:\n- type: rde", (2, 9, "kinds[0].type"), "unknown type 'rde': did you mean 'red'?"),
            ("kinds:\n- type: [a]", (2, 9, "kinds[0].type"), None),
            (
                "kinds:\n- {type: blue, depth: 1}",
                (2, 16, "kinds[0].depth"),
                "unknown key 'depth' (allowed: type)",
            ),
            ("kinds:\n- type: red\n  depth: 10", (3, 10, "kinds[0].depth"), "must be 1 to 9, got 10"),
            ("[1]", (1, 1, ""), "expected a mapping (key: value), got a list"),
            ("a: b: c", (1, 5, ""), "not valid YAML: mapping values are not allowed in this context"),
            ("flag: !!python/name:os.system yes", (1, 7, "flag"), None),
            ("even: 2\n---\neven: 2", (2, 1, ""), None),
            ("even: *nothing", (1, 7, ""), "not valid YAML: found undefined alias"),
            ("even: 2\n# \x07", (2, 3, ""), "control character 0x07: not allowed in YAML"),
        ],
    )
    def test_is_at_its_place_and_says_what_is_allowed(
        self, check: Any, text: str, place: tuple[int, int, str], message: str | None
    ) -> None:
        document = check(text)
        assert places(document) == [place]
        assert document.value is None
        if message is not None:
            assert messages(document) == [message]

    def test_all_of_a_file_are_found(self, check: Any) -> None:
        document = check("flag: 1\nevne: 2\ntext: 3\nitems: [x, 1, y]\ninner: {ned: z}\n")
        assert [p.line for p in sorted(document.problems)] == [1, 2, 3, 4, 4, 5, 5]

    def test_a_syntax_error_names_the_line_where_it_began(self, check: Any) -> None:
        document = check("items: [1,\n\neven: 2\n")
        assert "while parsing a flow" in messages(document)[0]
        assert "(begun on line " in messages(document)[0]

    def test_a_mapping_that_is_wrong_itself_makes_no_wrong_references(self, check: Any) -> None:
        assert places(check("things: 3\ninner: {needed: a}")) == [(1, 9, "things")]

    def test_an_entry_that_is_wrong_can_still_be_referred_to(self, check: Any) -> None:
        assert places(check("things: {a: x}\ninner: {needed: a}")) == [(1, 13, "things.a")]

    def test_no_utf8(self, check: Any) -> None:
        document = check(b"even: 2\ntext: \xff")
        assert places(document) == [(2, 7, "")]
        assert messages(document) == ["byte 0xff is no UTF-8"]

    def test_a_missing_file(self, tmp_path: Path) -> None:
        document = read(tmp_path / "none.yaml", Shape)
        assert messages(document) == ["can't be read: No such file or directory"]

    def test_the_report_is_sorted_and_has_file_line_and_column(self) -> None:
        later, first = Problem("b.yaml", 2, 1, "a", "wrong"), Problem("a.yaml", 10, 3, "", "bad")
        assert str(ConfigurationError([later, first])) == "a.yaml:10:3: bad\nb.yaml:2:1: a: wrong"


class TestBounds:
    def test_size(self, check: Any) -> None:
        document = check(b"#" * (tree.MAX_BYTES + 1))
        assert messages(document) == ["is larger than 4194304 bytes, the limit for a configuration file"]

    def test_depth_is_refused_before_the_tree_is_built(self, check: Any) -> None:
        document = check("items: " + "[" * 200_000)
        assert messages(document) == ["nested deeper than 64 levels"]

    def test_a_value_that_holds_itself(self, check: Any) -> None:
        assert places(check("items: &a [*a]")) == [(1, 8, "items[0]")]

    def test_aliases_of_aliases(self, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(walk, "MAX_VALUES", 1000)
        many = "[" + ", ".join(["{type: red, depth: 1}"] * 100) + "]"
        text = f"kinds: &a {many}\nkinds2: 1\n" + "password: *a\n"
        assert "aliases make it more than 1000 values" not in messages(check(text))
        deep = "kinds:\n- &a {type: red, depth: 1}\n" + "- *a\n" * 600
        assert "aliases make it more than 1000 values" in messages(check(deep))

    @given(text=st.text(alphabet="aeiounvth:{}[]-&*!?<>|'\"#,. \n\t0129_x\x07é", max_size=60))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
    def test_any_text_gives_a_value_or_problems_with_places(self, check: Any, text: str) -> None:
        document = check(text)
        assert (document.value is None) is bool(document.problems)
        assert all(p.line >= 1 and p.column >= 1 for p in document.problems)


class TestSecret:
    def test_comes_from_a_file_without_its_last_newline(self, check: Any, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("hunter2\n\n")
        (tmp_path / "key").chmod(0o600)
        document = check("password: {file: key}")
        assert document.value.password == Secret("hunter2\n")
        assert document.warnings == []

    def test_in_a_file_that_all_can_read_is_a_warning(self, check: Any, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("hunter2")
        (tmp_path / "key").chmod(0o644)
        document = check("even: 2\npassword:\n  file: key")
        assert [(w.line, w.column, w.path) for w in document.warnings] == [(3, 9, "password.file")]
        assert document.value.password.reveal() == "hunter2"

    def test_comes_from_the_environment(self, check: Any) -> None:
        assert check("password: {env: KEY}", {"KEY": "hunter2"}).value.password == Secret("hunter2")

    @pytest.mark.parametrize(
        ("text", "path", "words"),
        [
            ("password: {file: none}", "password.file", "none can't be read: No such file or directory"),
            ("password: {file: large}", "password.file", "is larger than 65536 bytes"),
            ("password: {file: binary}", "password.file", "binary can't be read: 'utf-8' codec"),
            ("password: {env: KEY}", "password.env", "the environment variable KEY is not set"),
            (
                "password: {env: KEY, file: large}",
                "password",
                "expected a string, {file: path} or {env: NAME}",
            ),
            ("password: {}", "password", "expected a string, {file: path} or {env: NAME}"),
            ("password: {path: large}", "password.path", "unknown key 'path' (allowed: file, env)"),
            ("password: ''", "password", "is empty"),
            ("password: 123456", "password", "a number or a date needs quotes"),
        ],
    )
    def test_that_cannot_be_had_is_a_problem(
        self, check: Any, tmp_path: Path, text: str, path: str, words: str
    ) -> None:
        (tmp_path / "large").write_text("x" * 65537)
        (tmp_path / "binary").write_bytes(b"\xff")
        document = check(text)
        assert [p.path for p in document.problems] == [path]
        assert words in messages(document)[0]
        assert "123456" not in messages(document)[0]

    def test_is_never_shown(self) -> None:
        secret = Secret("hunter2")
        assert "hunter2" not in f"{secret} {secret!r} {Shape(password=secret)}"
        with pytest.raises(TypeError, match="not pickled"):
            copy.copy(secret)

    def test_compares_by_its_text(self) -> None:
        assert Secret("a") == Secret("a")
        assert Secret("a") != Secret("b")
        assert Secret("a") != "a"
        assert hash(Secret("a")) == hash(Secret("a"))


class TestNames:
    def test_the_nearest_is_found_in_any_case(self) -> None:
        assert did_you_mean("FRONTEDN", ["Frontend", "backend"]) == ": did you mean 'Frontend'?"

    def test_without_a_near_one_the_choice_is_listed_up_to_a_bound(self) -> None:
        names = [f"n{i}" for i in range(50)]
        assert did_you_mean("something else", names).endswith("n38, n39, and 10 more)")

    def test_paths(self) -> None:
        assert path_text(("roles", "a", "permissions", 2, "allow")) == "roles.a.permissions[2].allow"
        assert path_text(("roles", "a b", "x")) == "roles['a b'].x"


class TestSchemaAndReference:
    def test_the_schema_is_json_and_allows_what_the_check_allows(self) -> None:
        schema = json.loads(json.dumps(json_schema(Shape, "a shape")))
        shape = schema["$defs"]["Shape"]
        assert schema["title"] == "a shape"
        assert shape["additionalProperties"] is False
        assert shape["properties"]["even"]["maximum"] == 100
        assert shape["properties"]["colour"]["enum"] == ["green", "white"]
        sources = shape["properties"]["password"]["anyOf"][0]["anyOf"]
        assert [source.get("required") for source in sources] == [None, ["file"], ["env"]]

    def test_another_class_of_values_has_no_schema(self) -> None:
        class Odd(Section, frozen=True, kw_only=True):
            value: complex = 0j

        with pytest.raises(TypeError, match="complex"):
            json_schema(Odd, "odd")

    def test_the_reference_has_each_section_with_each_of_its_keys(self) -> None:
        text = reference(Shape, "A shape")
        assert "## A shape\n\nWhat the tests check against.\n" in text
        assert "| `even` | integer, at most 100 | `0` | An even number. |" in text
        assert '| `text` | string | `"x"` | Text. Example: `"abc"`. |' in text
        assert "| `password` | string, `{file: path}` or `{env: NAME}` | none | A secret. |" in text
        assert "### `inner`\n\nAn inner section.\n" in text
        assert "| `needed` | string | required | A name of a thing. |" in text
        assert "### `kinds[]`, type `red`\n" in text
        assert "### `kinds[]`, type `blue`\n" in text

    def test_a_schema_of_pyyaml_alone_reads_the_same(
        self, check: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without libyaml the same file has the same value and the same problems."""
        text = "even: 2\nitems: [1, x]\nevne: 3\n"
        with_libyaml = places(check(text))
        monkeypatch.setattr(tree, "_Loader", yaml.SafeLoader)
        assert places(check(text)) == with_libyaml
        assert check("even: 2").value == Shape(even=2)
        assert places(check("a: b: c")) == [(1, 5, "")]
        assert places(check("even: 2\n# \x07")) == [(2, 3, "")]
