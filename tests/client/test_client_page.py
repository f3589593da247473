"""The page of the client tells of every option, and its examples are commands."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from router.client.parser import Parser, add_commands

PAGE = (Path(__file__).parent.parent.parent / "docs" / "command-line.md").read_text()
EXAMPLES = [
    part.strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    for part in re.split(r" \| | & ", line)
    if part.strip().startswith("concord ")
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


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_command(example: str) -> None:
    assert parser().parse_args(shlex.split(example)[1:]).module


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 5


@pytest.mark.parametrize("option", sorted(options(parser()) - {"--help"}))
def test_an_option_is_on_the_page(option: str) -> None:
    assert f"`{option}" in PAGE or f" {option} " in PAGE
