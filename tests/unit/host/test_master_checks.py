"""The checks of a master: what it says of itself, in lines with a cure."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pacha.errors import ExitCode
from pacha.host import master_checks
from pacha.host.doctor_check import Check
from pacha.wire.master import PUSH, REBUILD, Examined
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


class Master:
    """A master that answers ``pacha doctor`` so."""

    label = "pacha@m1"

    def __init__(self, ahead: float = 0, **answer: Any) -> None:
        self._examined = Examined(**{"clock": time.time() + ahead, "may": frozenset([PUSH, REBUILD]), **answer})
        self.is_closed = False

    def examine(self, host: str) -> Examined:
        return self._examined

    def close(self) -> None:
        self.is_closed = True


def checks(bar: Standalone, monkeypatch: pytest.MonkeyPatch, master: Master) -> dict[str, Check]:
    monkeypatch.setattr(master_checks, "connect", lambda context, name: master)
    named = {check.about: check for check in master_checks.of_master(bar.context(), "bar", "m1")}
    assert master.is_closed
    return named


def test_a_clock_that_misleads_is_to_look_at(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks(bar, monkeypatch, Master(ahead=30))["clock"].code == ExitCode.DONE
    wrong = checks(bar, monkeypatch, Master(ahead=-7200))["clock"]
    assert wrong.code == ExitCode.CONCERNS and "behind ours" in wrong.result


def test_what_a_key_may_not(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "key" not in checks(bar, monkeypatch, Master())
    assert checks(bar, monkeypatch, Master(may=frozenset([PUSH])))["key"].code == ExitCode.DONE
    assert checks(bar, monkeypatch, Master(may=frozenset([REBUILD])))["key"].code == ExitCode.CONCERNS


def test_a_program_that_is_missing_has_a_cure(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = checks(bar, monkeypatch, Master(mercurial="Mercurial 7", missing=("scp",)))["programs"]
    assert programs.code == ExitCode.CONCERNS and "openssh-client" in programs.cure


def test_a_folder_of_hosts_that_is_another_or_cannot_be_written_to(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = checks(bar, monkeypatch, Master(hosts_path=b"/other"))["hosts folder"]
    assert other.cure == "Set pacha.hosts.path = /other"
    closed = checks(bar, monkeypatch, Master(trouble="/h/bar cannot be written to"))["hosts folder"]
    assert closed.cure == "On the master, run: pacha add-host bar --user pacha"


def test_a_folder_of_this_machine(bar: Standalone) -> None:
    bar.push()
    named = [check.about for check in master_checks.of_master(bar.context(), "bar", "local")]
    assert "clock" in named and "login" not in named


def test_a_master_that_cannot_be_reached(bar: Standalone) -> None:
    (failed,) = master_checks.of_master(bar.context(), "bar", "no such name")
    assert (failed.about, bool(failed.code)) == ("login", True)
