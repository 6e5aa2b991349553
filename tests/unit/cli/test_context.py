"""What every command needs: the configuration, wherever it is, the state, and a choice between masters."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from pacha.cli import context
from pacha.cli.context import CliContext, ask_which
from pacha.errors import ConfigError, UsageError
from pacha.rebuild.source import MasterOffer

OFFERS = [MasterOffer("a", "1" * 40, frozenset()), MasterOffer("b", "2" * 40, frozenset())]


def here(config: str | None = None, *, quiet: bool = False) -> CliContext:
    return CliContext(config=config, quiet=quiet, verbose=False)


def write(path: Path, host: str = "m.example") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[DEFAULT]\npacha.host = {host}\n")
    return path


def test_the_option_wins_over_the_environment_and_that_over_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, named, option = (write(tmp_path / name, name) for name in ("recorded", "named", "option"))
    here().record_config(recorded)
    assert here().load().hosts == ("recorded",)
    monkeypatch.setenv("PACHA_CONFIG", str(named))
    assert here().load().hosts == ("named",)
    assert here(str(option)).load().hosts == ("option",)


def test_where_there_is_none_that_is_shown_and_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError) as quiet:
        here().load_quietly()
    assert capsys.readouterr().err == ""
    with pytest.raises(ConfigError) as caught:
        here().load()
    assert quiet.value.code == caught.value.code == "no-configuration"
    assert str(here().usual_place()) in caught.value.why and capsys.readouterr().err.startswith("+--")
    assert here().load_of_master().hosts == ()


def test_a_master_without_one_shows_the_history_of_its_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacha.cli.context.is_master_alone", lambda config: True)
    assert here().history_context("bar").config.hosts == ()
    with pytest.raises(ConfigError):
        here().history_context("")
    monkeypatch.setattr("pacha.cli.context.is_master_alone", lambda config: False)
    with pytest.raises(ConfigError):
        here().history_context("bar")


def test_a_plain_users_usual_place_is_below_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert here().usual_place() == Path(os.environ["XDG_CONFIG_HOME"]) / "pacha/pacha.conf"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert here().usual_place() == Path(os.environ["HOME"]) / ".config/pacha/pacha.conf"


def test_the_state_is_where_the_environment_says() -> None:
    assert str(here().state().path) == os.environ["PACHA_STATE"]


def test_a_silenced_one_stays_so() -> None:
    assert here(quiet=True).silenced(False).quiet and here().silenced(True).console.quiet
    assert not here().silenced(False).quiet


@pytest.mark.parametrize(("typed", "name"), [("1\n", "a"), (" 2 \n", "b")])
def test_a_person_chooses_by_number(monkeypatch: pytest.MonkeyPatch, typed: str, name: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert ask_which(OFFERS) == name


@pytest.mark.parametrize("typed", ["", "\n", "0\n", "3\n", "a\n", "-1\n"])
def test_no_number_is_no_choice(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with pytest.raises(UsageError) as caught:
        ask_which(OFFERS)
    assert caught.value.code == "no-master-chosen"


def test_every_command_that_shows_a_history_goes_by_it() -> None:
    commands = Path(context.__file__).parent / "commands"
    showing = {path for path in commands.glob("*.py") if "access.open_history(" in path.read_text("utf-8")}
    assert len(showing) > 8
    assert {path.name for path in showing if "history_context(" not in path.read_text("utf-8")} == set()
