"""pacha.conf.example and docs/configuration.rst are in step with the table of keys."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.config.keys import KEYS, Key
from pacha.config.load import load_config
from pacha.config.parse import parse_config

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "pacha.conf.example"
MANUAL = CHECKOUT / "docs" / "configuration.rst"
SWITCHED_OFF = re.compile(r"^#(?=pacha\.)", re.MULTILINE)


@pytest.fixture
def text() -> str:
    return EXAMPLE.read_text("utf-8")


def test_as_shipped_it_loads_and_changes_nothing() -> None:
    shipped = replace(load_config(EXAMPLE), path=None)
    assert shipped == parse_config("")


def test_with_every_line_switched_on_it_loads_and_says_the_defaults(text: str) -> None:
    assert len(SWITCHED_OFF.findall(text)) == len(KEYS)
    loaded = parse_config(SWITCHED_OFF.sub("", text))
    assert replace(loaded, given=(), ssh_port=None) == parse_config("")
    assert loaded.ssh_port == 22


def test_it_lists_the_keys_in_the_table_s_order(text: str) -> None:
    assert re.findall(r"^#(pacha\.[a-z._]+) =", text, re.MULTILINE) == [key.name for key in KEYS]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_each_key_stands_below_its_explanation_with_its_default(key: Key, text: str) -> None:
    (block,) = [block for block in text.split("\n\n") if f"\n#{key.name} =" in block]
    *comment, line = block.strip().splitlines()
    explanation = " ".join(part.removeprefix("#").strip() for part in comment)
    assert explanation.startswith(key.doc)
    assert line == f"#{key.name} = {key.default}".rstrip()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_the_examples_in_the_comments_are_legal(key: Key, text: str) -> None:
    for example in re.findall(rf"# For example: (.*)\n#{re.escape(key.name)} =", text):
        parse_config(f"[DEFAULT]\n{key.name} = {example}")


def described(text: str) -> dict[str, str]:
    """Return key -> first paragraph, without the mark-up and on one line, of a list of definitions."""
    found = re.findall(r"^``(pacha\.[a-z._]+)``\n((?:    .*\n)+)", text, re.MULTILINE)
    return {name: " ".join(body.replace("``", "").replace("'", "").split()) for name, body in found}


def test_the_manual_describes_every_key_in_the_same_words() -> None:
    wanted = {key.name: key.doc.replace("'", "") + (f" Default: {key.default}." if key.default else "") for key in KEYS}
    assert described(MANUAL.read_text("utf-8")) == wanted


@pytest.mark.parametrize(
    "page", ["README.rst", "docs/configuration.rst", "docs/getting-started.rst", "docs/rebuilding.rst"]
)
def test_the_configurations_in_the_documentation_load(page: str) -> None:
    text = (CHECKOUT / page).read_text("utf-8")
    blocks = re.findall(r"^( +)\[DEFAULT\]\n((?:\1.*\n|\n)*)", text, re.MULTILINE)
    assert blocks
    for _, body in blocks:
        assert parse_config("[DEFAULT]\n" + body).masters() == ("master.example.com",)
