"""The documents are in step with the program: every command, option and key is there, and nothing else."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from docutils.core import publish_doctree

import pacha
from pacha.cli import cli
from pacha.cli.app import spelt_as_command
from pacha.config.keys import NAMES

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
PAGES = sorted([CHECKOUT / "README.rst", *DOCS.glob("*.rst")])
#: Words of the configuration's form that are no keys: files, and the flags of the original.
NO_KEYS = re.compile(r"pacha\.(db|conf(\.example)?|new|prom|deb|db\.i|master|log|hg\.autocorrect)")
#: Pages that speak of other programs' options, or of those that are gone.
OTHERS = {"from-pacha-0.2.rst", "from-etckeeper.rst"}


def commands(group: click.Group = cli, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if not command.hidden:
            yield (*before, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


def flags(command: click.Command, hidden: bool = False) -> set[str]:
    """The options of a command, each in every spelling."""
    options = [one for one in command.params if isinstance(one, click.Option) and (hidden or not one.hidden)]
    return {flag for one in options for flag in (*one.opts, *one.secondary_opts)}


def sections(text: str) -> dict[str, str]:
    """Title -> text, of the page's sections."""
    parts = re.split(r"^(.+)\n-{3,}\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    made = subprocess.run([sys.executable, DOCS / "reference.py"], capture_output=True, text=True, check=True).stdout
    said = (DOCS / "commands.rst").read_text("utf-8")
    assert said == made, "run: python docs/reference.py > docs/commands.rst"


def test_it_has_every_command_and_option_and_no_other() -> None:
    found = sections((DOCS / "commands.rst").read_text("utf-8"))
    wanted = {" ".join(("pacha", *words)): flags(command) for words, command in commands()}
    assert {title for title in found if title.startswith("pacha ")} == set(wanted)
    for title, options in wanted.items():
        heads = re.findall(r"^``(-.*)``$", found[title], re.MULTILINE)
        words = " ".join(heads).replace("/", " ")
        assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", words)) == options
    assert set(re.findall(r"--[a-z]+", found["Options of every command"])) >= flags(cli) - {"-q", "-v"}


def typed(text: str) -> Iterator[str]:
    """What a page says can be typed: calls of pacha in literals and in blocks."""
    yield from re.findall(r"``((?:sudo )?pacha [^`]*)``", text.replace("\n", " "))
    for line in text.splitlines():
        called = re.match(r"\s+(?:[$#] )?(?:.* root )?(?:/usr/local/bin/)?(pacha .*)", line)
        if called:
            yield called[1]


def test_what_a_page_says_can_be_typed_exists() -> None:
    known = dict(commands())
    lines = [(page, line) for page in PAGES for line in typed(page.read_text("utf-8"))]
    assert len(lines) > 100
    assert [f"{page.name}: {line}: {why}" for page, line in lines if (why := not_there(line, known))] == []


def not_there(line: str, known: dict[tuple[str, ...], click.Command]) -> str:
    """What of a line that can be typed there is not; '' if all of it is there."""
    text = re.split(r"\s#\s|[|>;&]|\.\.\.", line)[0]
    try:
        words = shlex.split(text)[1:]
    except ValueError:
        words = text.split()[1:]
    words = [word for word in words if not word.isupper() and word[:1] not in "[]"]
    names = [word for word in spelt_as_command(words) if not word.startswith("-")]
    given = {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
    command = next((known[key] for key in (tuple(names[:2]), tuple(names[:1])) if key in known), None)
    if not (names or given):
        return ""
    if not (command is not None or not names or names[0].startswith("/")):
        return "there is no such command"
    own = flags(command, hidden=True) if command else set()
    stray = given - own - flags(cli) - {f"--{name}" for name in cli.list_commands(None)} - {"--help", "-h"}
    return f"no such option: {stray}" if stray else ""


def test_what_cannot_be_typed_is_seen() -> None:
    known = dict(commands())
    assert not_there("pacha fetch bar", known) and not_there("pacha rebuild bar --sideways", known)
    assert not not_there("pacha rebuild bar --dry-run  # what it would do", known)


def test_no_page_speaks_of_a_key_that_does_not_exist() -> None:
    keys = [
        (page.name, key)
        for page in PAGES
        if page.name not in OTHERS
        for key in re.findall(r"(?<![\w./-])pacha\.[a-z]+(?:\.[a-z_]+)*", page.read_text("utf-8"))
    ]
    assert len(keys) > 50
    assert [found for found in keys if found[1] not in NAMES and not NO_KEYS.fullmatch(found[1])] == []


def test_the_variables_that_the_program_reads_are_described() -> None:
    code = "".join(path.read_text("utf-8") for path in (CHECKOUT / "pacha").rglob("*.py"))
    pages = "".join((DOCS / page).read_text("utf-8") for page in ("configuration.rst", "hooks.rst"))
    described = re.findall(r"``([A-Z_]+)``", pages)
    assert {*re.findall(r"\"(PACHA_[A-Z_]+)\"", code), "NO_COLOR", "TMPDIR"} <= set(described)


def test_links_between_the_pages_lead_somewhere() -> None:
    links = [(page, target) for page in PAGES for target in re.findall(r"<([\w./-]+\.rst)>`_", page.read_text("utf-8"))]
    assert links
    assert [f"{page.name}: {target}" for page, target in links if not (page.parent / target).is_file()] == []


@pytest.mark.parametrize("page", ["README.rst", "CHANGELOG.rst", "CONTRIBUTING.rst"])
def test_the_pages_outside_of_docs_are_sound(page: str) -> None:
    text = (CHECKOUT / page).read_text("utf-8")
    publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 5, "input_encoding": "unicode"})


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "made"), [("html", "index.html"), ("man", "pacha.1")])
def test_they_build_without_a_warning(kind: str, made: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", kind, "-d", tmp_path / "trees", DOCS, tmp_path / kind]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / kind / made).is_file()
    if kind == "man":
        check_the_manual(tmp_path / kind)


def check_the_manual(folder: Path) -> None:
    """Both man pages say their names and everything that they are about."""
    first, fifth = ((folder / name).read_text("utf-8").replace("\\-", "-") for name in ("pacha.1", "pacha.conf.5"))
    assert first.index("pacha - keeps folders") < first.index("pacha rebuild")
    assert [words for words, _ in commands() if f"pacha {' '.join(words)}" not in first.replace('"', "")] == []
    assert [key for key in NAMES if key not in fifth] == []


def test_the_version_of_the_package_for_debian_is_the_version() -> None:
    first = (CHECKOUT / "debian/changelog").read_text("utf-8").splitlines()[0]
    version = re.sub(r"\.?(dev|a|b|rc)(?=[0-9])", r"~\1", pacha.__version__)
    assert first.startswith(f"pacha ({version}) ")
