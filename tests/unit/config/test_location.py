"""Where the configuration and the state are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.config.location import find_config, state_folder
from pacha.errors import ConfigError, ExitCode


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    names = (
        "explicit",
        "environ",
        "recorded",
        "system",
        "xdg/pacha/pacha.conf",
        "home/.config/pacha/pacha.conf",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return {name.split("/")[0]: tmp_path / name for name in names}


def test_the_order(places: dict[str, Path], tmp_path: Path) -> None:
    base = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    environ = {**base, "PACHA_CONFIG": str(places["environ"])}
    explicit, recorded, system = str(places["explicit"]), str(places["recorded"]), places["system"]
    assert find_config(explicit, environ, recorded, True, system) == places["explicit"]
    assert find_config(None, environ, recorded, True, system) == places["environ"]
    assert find_config(None, {**base, "PACHA_CONFIG": ""}, recorded, True, system) == places["recorded"]
    assert find_config(None, base, None, True, system) == system
    assert find_config(None, base, None, False, system) == places["xdg"]
    assert find_config(None, {"HOME": base["HOME"]}, None, False, system) == places["home"]
    assert find_config(None, {**base, "XDG_CONFIG_HOME": "xdg"}, None, False, system) == places["home"]
    for path in ("system", "xdg"):
        places[path].unlink()
    assert find_config(None, base, None, True, system) is None
    assert find_config(None, base, None, False, system) is None


def test_a_path_that_was_named_is_never_passed_over(places: dict[str, Path], tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    for explicit, environ, recorded in [
        (none, {}, None),
        ("", {}, None),
        (None, {"PACHA_CONFIG": none}, str(places["recorded"])),
        (None, {}, none),
    ]:
        with pytest.raises(ConfigError, match="no such configuration file") as caught:
            find_config(explicit, environ, recorded, True, places["system"])
        assert caught.value.exit_code == ExitCode.CONFIG


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pacha.conf").touch()
    monkeypatch.chdir(tmp_path)
    assert find_config("pacha.conf", {}, None, False) == tmp_path / "pacha.conf"


def test_the_state_folder() -> None:
    home = {"HOME": "/home/a"}
    assert state_folder({**home, "PACHA_STATE": "/x/y"}, True) == Path("/x/y")
    assert state_folder(home, True) == Path("/var/lib/pacha")
    assert state_folder(home, False) == Path("/home/a/.local/state/pacha")
    assert state_folder({**home, "XDG_STATE_HOME": "/s"}, False) == Path("/s/pacha")
    assert state_folder({**home, "XDG_STATE_HOME": "s"}, False) == Path("/home/a/.local/state/pacha")
