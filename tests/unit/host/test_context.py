"""This machine's name, and which names can be a host's: they become part of a path on the master."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.errors import ConfigError, UsageError
from pacha.host.context import Context, check_host
from pacha.store.state import StateFolder


def here(tmp_path: Path, *lines: str) -> Context:
    return Context(parse_config("[DEFAULT]\n" + "\n".join(lines)), StateFolder(tmp_path))


def named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", name, "", "", "")))


def test_the_configured_name_wins_then_the_adopted_then_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, "vm.example.com")
    assert here(tmp_path).hostname() == "vm"
    here(tmp_path).state.update(hostname="adopted")
    assert here(tmp_path).hostname() == "adopted"
    assert here(tmp_path, "pacha.hostname = bar").hostname() == "bar"


@pytest.mark.parametrize("name", ["", "-x", "a b", "é"])
def test_a_machine_whose_name_can_be_no_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    named(monkeypatch, name)
    with pytest.raises(ConfigError) as caught:
        here(tmp_path).hostname()
    assert caught.value.code == "invalid-hostname"


def test_the_master_is_the_first_and_there_must_be_one(tmp_path: Path) -> None:
    assert here(tmp_path, "pacha.host = a, b").master() == "a"
    with pytest.raises(ConfigError):
        here(tmp_path).master()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".hooks", "-x", "a\n", "a" * 241, "\x1b[2J", "\udcff"])
def test_no_host_is_called_so(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_host(name)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", ["a", "bar-1.example_x", "9", "a" * 240])
def test_a_host_may_be_called_so(name: str) -> None:
    assert check_host(name) == name
