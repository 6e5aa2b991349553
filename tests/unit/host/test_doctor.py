"""What the doctor and the overview say, in words and units that a person takes in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.errors import ExitCode
from pacha.host import doctor
from pacha.store.host_state import HostState
from pacha.store.state import StateFolder
from tests.support.signing import make_key, public
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_a_push_that_failed_is_shown_with_its_own_cure() -> None:
    found = doctor._last_push(HostState(failure="It broke. so", cure="On the master, run: this", succeeded=1.0))
    assert (found.result, found.cure) == ("it failed: It broke. so", "On the master, run: this")
    assert "pacha push" in doctor._last_push(HostState(failure="The last push was interrupted.")).cure


def test_a_state_folder_of_somebody_else_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_config(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}\n")
    state, me = StateFolder(tmp_path / "state"), os.geteuid()
    state.make()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    errors = [check.error for check in doctor.inspect(lambda: settings, state)]
    assert "state-of-another-user" in errors


def test_it_is_told_which_key_signs_and_why_none_does(bar: Standalone) -> None:
    key = make_key(bar.top / "key")
    found = doctor._signing(bar.context(sign_key=str(key)))
    assert found.code == 0 and f'bar namespaces="*@pacha" {public(key)}' in found.result
    unsigned = doctor._signing(bar.context(sign_key="no"))
    assert unsigned.code == 0 and unsigned.result == "snapshots are not signed: pacha.sign.key says no"
    missing = doctor._signing(bar.context(sign_key=str(bar.top / "missing")))
    assert (missing.code, missing.error) == (3, "signing-failed")


def test_a_rebuild_whose_journal_cannot_be_read_ends_no_other_check(bar: Standalone) -> None:
    bar.push()
    here = bar.context()
    (here.state.path / "rebuilds" / "20261130T100000.000000000Z-abcdabcd" / "journal").mkdir(parents=True)
    checks = {check.about: check for check in doctor.inspect(lambda: here.config, here.state)}
    assert "journal" in checks["rebuild"].result and checks["rebuild"].code == ExitCode.CONCERNS
    assert "hosts folder" in checks
