"""The page of the client tells of every option, and its examples are commands."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.client.parser import Parser, add_commands

PAGE = (Path(__file__).parent.parent.parent / "docs" / "command-line.md").read_text()


def lexer(line: str) -> shlex.shlex:
    """Make what takes a line of shell apart."""
    made = shlex.shlex(line, posix=True, punctuation_chars="|&")
    made.whitespace_split = True
    return made


def commands_of(line: str) -> Iterator[list[str]]:
    """Give the words of each command in a line of shell."""
    words: list[str] = []
    for word in (*lexer(line), "|"):
        if word in ("|", "&", "&&"):
            yield words
            words = []
        else:
            words.append(word)


EXAMPLES = [
    words
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    for words in commands_of(line)
    if words[:1] == ["concord"]
]


def parser() -> Parser:
    """Make a parser with the client's commands alone."""
    made = Parser(prog="concord")
    add_commands(made.add_subparsers(parser_class=Parser))
    return made


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Give the long options of ``parser`` and of its commands."""
    found = set()
    for action in parser._actions:
        found |= {option for option in action.option_strings if option.startswith("--")}
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found |= options(command)
    return found


@pytest.mark.parametrize("words", EXAMPLES, ids=" ".join)
def test_an_example_is_a_command(words: list[str]) -> None:
    assert parser().parse_args(words[1:]).module


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 5


@pytest.mark.parametrize("option", sorted(options(parser()) - {"--help"}))
def test_an_option_is_on_the_page(option: str) -> None:
    assert f"`{option}" in PAGE or f" {option} " in PAGE


@pytest.mark.parametrize(("command", "missing"), [("call", "procedure"), ("publish", "topic")])
def test_only_what_is_needed_is_asked_for(
    command: str, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([command])
    assert capsys.readouterr().err.endswith(f"arguments are required: {missing}\n")
