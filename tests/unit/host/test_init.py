"""The first configuration: written wholly or not at all, over nothing, and as the answers say."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from paramiko import Ed25519Key as SSHKey

from pacha.errors import ConfigError, PachaError, UsageError
from pacha.host import init
from pacha.host.init import Answers
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

ANSWERS = Answers(host="m.example", user="bar_user", hostname="bar", key="/k", port=2222)


def test_what_is_written_is_what_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "new/pacha.conf"
    made = init.check(ANSWERS, path, [])
    assert (made.hosts, made.ssh_user, made.hostname, made.ssh_key, made.ssh_port) == (
        ("m.example",), "bar_user", "bar", "/k", 2222,
    )  # fmt: skip
    init.write(ANSWERS, path)
    assert path.read_text() == ANSWERS.text() and stat.S_IMODE(path.stat().st_mode) == 0o600
    bare = replace(ANSWERS, user="", key="", port=None).text()
    assert "ssh" not in bare, "what was not answered is for ssh to say"


def test_nothing_is_written_over_unless_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "pacha.conf"
    path.symlink_to("nowhere")
    with pytest.raises(UsageError) as caught:
        init.write(ANSWERS, path)
    assert caught.value.code == "configuration-exists" and os.readlink(path) == "nowhere"
    init.write(ANSWERS, path, force=True)
    assert path.read_text() == ANSWERS.text() and os.listdir(tmp_path) == ["pacha.conf"]


def test_where_it_cannot_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PachaError) as caught:
        init.write(ANSWERS, tmp_path / "file/pacha.conf")
    assert caught.value.code == "configuration-not-written"


@pytest.mark.parametrize(
    ("change", "error"),
    [({"host": "a b"}, ConfigError), ({"host": ""}, ConfigError), ({"user": "a\nb"}, UsageError),
     ({"key": "relative"}, ConfigError), ({"hostname": "-x"}, ConfigError)],
)  # fmt: skip
def test_answers_that_cannot_be(tmp_path: Path, change: dict[str, str], error: type[PachaError]) -> None:
    with pytest.raises(error):
        init.check(replace(ANSWERS, **change), tmp_path / "c", [])  # type: ignore[arg-type]


def test_a_path_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        init.check(ANSWERS, tmp_path / "c", [os.fsencode(tmp_path), os.fsencode(tmp_path / "none")])
    assert caught.value.code == "path-missing"


def test_only_what_is_not_watched_yet_is_watched(bar: Standalone) -> None:
    (bar.top / "file").touch()
    paths = [bar.path, os.fsencode(bar.top / "file")]
    assert init.watch_all(bar.context(), paths) == paths[1:]
    assert init.watch_all(bar.context(), paths) == []


def test_the_usual_key_is_one_that_has_its_public_half(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    monkeypatch.setenv("PACHA_SSH", str(folder))
    folder.mkdir()
    (folder / "id_ed25519").touch()
    assert init.usual_key() is None
    for name in ("id_rsa", "id_ecdsa"):
        (folder / f"{name}.pub").touch()
    assert init.usual_key() == folder / "id_ecdsa"


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "keys/id"
    assert init.make_key(path, "root@bar") and not init.make_key(path, "x")
    assert init.public_half(path).startswith("ssh-ed25519 ") and init.public_half(path).endswith(" root@bar")
    assert init.public_half(tmp_path / "none") == ""
    Path(f"{path}.pub").write_bytes(b"ssh-ed25519 \x1b[2J")
    assert init.public_half(path) == ""


def test_a_key_needs_no_other_program_and_is_as_ssh_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as alone:
        alone.setenv("PATH", str(tmp_path))
        assert init.make_key(tmp_path / "id", "root@bar")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("id", "id.pub")] == [0o600, 0o644]
    blob = SSHKey.from_private_key_file(str(tmp_path / "id")).get_base64()
    assert init.public_half(tmp_path / "id") == f"ssh-ed25519 {blob} root@bar"


def test_where_there_is_no_public_half_it_is_made_first(tmp_path: Path) -> None:
    for key, command in (("/k", "ssh-keygen -y -f /k > bar.pub"), ("", "ssh-keygen -t ed25519")):
        answers = Answers(host="m", user="u", hostname="bar", key=key)
        steps = init.next_steps(answers, init.check(answers, tmp_path / "c", []), "")
        made = next(number for number, step in enumerate(steps) if command in step)
        assert made < next(number for number, step in enumerate(steps) if "< bar.pub" in step)


def test_what_comes_next_has_a_login_for_each_master_and_none_for_a_folder(tmp_path: Path) -> None:
    several = replace(ANSWERS, host="m.example, n.example")
    steps = init.next_steps(several, init.check(several, tmp_path / "c", []), "ssh-ed25519 AAAA it's me")
    logins = [line.split() for line in steps if line.startswith("  ssh ")]
    assert [words[-1] for words in logins] == ["bar_user@m.example", "bar_user@n.example"]
    assert all("2222" in words and "/k" in words for words in logins)
    alone = replace(ANSWERS, host="local")
    assert not [line for line in init.next_steps(alone, init.check(alone, tmp_path / "c", []), "") if "ssh" in line]
