"""The configuration as the rest of Pacha sees it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pacha.config.config import Config
from pacha.config.keys import KEYS
from pacha.config.parse import parse_config
from pacha.errors import ConfigError


def test_every_field_but_the_last_three_has_its_key() -> None:
    assert [field.name for field in fields(Config)] == [key.field for key in KEYS] + [
        "path",
        "warnings",
        "given",
    ]


def test_without_a_master_a_host_is_told_what_to_write() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("").masters()
    assert "pacha.host" in caught.value.message and "pacha.host =" in caught.value.hint


def test_values_say_where_each_comes_from() -> None:
    values = parse_config("[DEFAULT]\npacha.exclude =\n  *.a\n  *.b\npacha.host = m").values()
    assert [name for name, _, _ in values] == [key.name for key in KEYS]
    assert ("pacha.exclude", "*.a *.b", "file") in values
    assert ("pacha.host", "m", "file") in values
    assert ("pacha.ssh.port", "22", "default") in values
