"""Help: an example for each command, the nearest command for one that there is not, completion that a shell takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pacha.cli import app, cli

MAIN = "import sys; from pacha.__main__ import main; main(sys.argv[1:])"


def commands(group: click.Group = cli, *above: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


ALL = [(), *commands()]


def pacha(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *words], env={**os.environ, **more}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="pacha", terminal_width=80)
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(context, word) or command
        context = click.Context(command, info_name=word, parent=context, terminal_width=80)
    text = command.get_help(context)
    name = " ".join(["pacha", *words])
    assert "Example" in text and name in text.partition("Example")[2], text
    assert all(option.help for option in command.params if isinstance(option, click.Option) and not option.hidden)


@pytest.mark.parametrize("words", [(), ("schedule",)], ids=" ".join)
def test_what_a_command_is_for_fits_its_line(words: tuple[str, ...]) -> None:
    done = pacha(*words, "--help", COLUMNS="80")
    listed = done.stdout.partition("Commands:" if words else "Setting up a host:")[2]
    assert listed and "..." not in listed, listed


def test_help_has_every_command_once_by_what_it_is_for() -> None:
    assert sorted(word for words in app.SECTIONS.values() for word in words) == sorted(app.COMMANDS)
    shown = pacha("--help", COLUMNS="80").stdout
    assert all(f"\n{title}:\n" in shown for title in app.SECTIONS)
    assert shown.index("On a host:") < shown.index("  push ") < shown.index("On a master:") < shown.index("  hosts ")


def test_no_help_breaks_a_word_or_goes_beyond_80_columns() -> None:
    names = [*app.COMMANDS]
    for command, words in [(app.cli, "pacha"), *((app.cli.get_command(None, name), name) for name in names)]:
        narrow, wide = (
            command.get_help(click.Context(command, info_name=words, terminal_width=width, max_content_width=width))
            for width in (80, 5000)
        )
        assert narrow.split() == wide.split() and max(map(len, narrow.splitlines())) <= 80, narrow


def test_an_option_that_stands_before_the_command_says_so() -> None:
    assert "pacha --config FILE push" in pacha("push", "--config", "x").stderr


@pytest.mark.parametrize("words", [["rebiuld", "bar"], ["--rebiuld", "bar"], ["--rebiuld=bar"], ["schedule", "instal"]])
def test_a_command_that_is_misspelt_names_the_nearest(words: list[str]) -> None:
    done = pacha(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert f"Did you mean '{'install' if 'instal' in words else 'rebuild'}'?" in done.stderr.replace("'--", "'")


def test_a_word_that_begins_like_a_command_names_it() -> None:
    assert "Did you mean 'watch'?" in pacha("watched").stderr


def test_the_words_of_other_tools_are_known() -> None:
    """Not what only looks like them: restore-db is none of what somebody means who types restore."""
    for word, meant in (("restore", "rebuild"), ("backup", "push"), ("snapshots", "log")):
        done = pacha(word)
        assert f"No such command '{word}'. Did you mean '{meant}'?" in done.stderr and done.returncode == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_and_nothing_else(shell: str) -> None:
    done = pacha("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_PACHA_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.slow
def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    script = pacha("completion", "bash").stdout
    program = tmp_path / "pacha"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' \"$@\"\n")
    program.chmod(0o755)
    for line, wanted in (("pacha reb", "rebuild"), ("pacha rebuild --dry", "--dry-run")):
        words = line.split()
        asked = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _pacha_completion pacha\n"
        asked += 'echo "${COMPREPLY[@]}"'
        path = f"{tmp_path}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", asked], env={**os.environ, "PATH": path}, capture_output=True, text=True)
        assert wanted in done.stdout.split(), done.stderr
