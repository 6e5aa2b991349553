"""The first minutes: pacha alone, init, doctor; things broken one by one and named with their cure."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pacha.config import load, parse
from pacha.wire import control
from tests.support.forced import Door
from tests.support.stage import Host, Stage

LOADED = """\
import sys
from pacha.__main__ import run
run([])
print([name for name in sys.modules if name in {"mercurial", "paramiko"}])
"""


def checks(host: Host, code: int) -> dict[str, dict[str, Any]]:
    """What the doctor finds that needs a look, by its name; the last of one name counts."""
    found = json.loads(host.pacha("doctor", "--json").must(code).out)
    assert all(one["fine"] == (one["code"] == 0) for one in found)
    assert all(one["cure"] for one in found if not one["fine"])
    return {one["check"]: one for one in found if not one["fine"]}


@pytest.fixture
def pushed(stage: Stage) -> Host:
    """A host that has pushed once; there is no job, which is no fault of what is tested."""
    host = stage.host("bar")
    folder = stage.folder / "foo"
    folder.mkdir()
    (folder / "one").write_text("one\n")
    host.watch(folder)
    host.push()
    return host


def test_pacha_alone_tells_a_new_user_where_to_begin(stage: Stage) -> None:
    host = Host(stage, stage.folder / "new", "new")
    host.config.unlink()
    done = host.pacha(PACHA_CONFIG="", XDG_CONFIG_HOME=str(host.home)).must()
    assert "pacha init" in done.out and "Next:" in done.out and done.err == ""
    assert len(done.out.splitlines()) < 24


def test_pacha_alone_tells_how_things_stand_and_imports_little(pushed: Host) -> None:
    done = pushed.pacha().must()
    for text in (str(pushed.config), pushed.stage.server.address, "bar", str(pushed.stage.folder / "foo"), "20"):
        assert text in done.out
    script = [sys.executable, "-c", LOADED]
    loaded = subprocess.run(script, env=pushed.environment(), capture_output=True, text=True, check=True)
    assert loaded.stdout.endswith("[]\n")


def test_pacha_alone_survives_a_configuration_with_a_fault(pushed: Host) -> None:
    pushed.config.write_text("[DEFAULT]\npacha.hsot = x\n")
    done = pushed.pacha().must()
    assert "nearest is pacha.host" in done.out and "pacha doctor" in done.out


def test_a_memory_that_somebody_edited_is_the_state_folders_trouble(pushed: Host) -> None:
    (pushed.state / "memory.json").write_text('{"hostname": 7}')
    done = pushed.pacha().must()
    assert "trouble:" in done.out and "memory.json is damaged" in " ".join(done.out.split()) and done.err == ""
    assert set(checks(pushed, 3)) == {"state"}


def test_the_doctor_finds_all_well_but_the_job(pushed: Host) -> None:
    assert set(checks(pushed, 3)) == {"schedule"}
    done = pushed.pacha("doctor").must(3)
    assert "To fix it" in done.out and "Mercurial" in done.out and done.err == ""
    assert max(map(len, done.out.splitlines())) <= 80 or str(pushed.stage.folder) in done.out


def test_the_doctor_behind_a_forced_command_asks_only_what_is_answered(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    found = json.loads(host.pacha("doctor", "--json").must(3).out)
    assert {one["check"] for one in found if not one["fine"]} == {"schedule", "watched", "last push"}
    [programs] = [one["result"] for one in found if one["check"] == "programs"]
    assert "answers there" in programs and "push" in programs
    assert next(one for one in found if one["check"] == "hosts folder")["fine"]


def test_the_doctor_asks_an_older_master_nothing_that_it_does_not_know(stage: Stage, door: Door) -> None:
    older = door.other(control.PROTOCOL, [one for one in control.CAPABILITIES if one != control.EXAMINE])
    host = door.host(stage, program=older)
    assert set(checks(host, 3)) == {"schedule", "watched", "last push"}


def test_the_doctor_says_what_a_key_may_not(stage: Stage, door: Door) -> None:
    assert "--key" in checks(door.host(stage, "bar", "--rebuild-only"), 3)["key"]["cure"]


def test_the_doctor_names_what_is_broken(pushed: Host) -> None:
    good = dict(pushed.settings)

    def with_(**settings: str) -> dict[str, dict[str, Any]]:
        pushed.settings = dict(good)
        pushed.configure(**settings)
        code = 3 if "hosts_path" in settings or "hg_command" in settings else 11
        return checks(pushed, code)

    assert "SHA256:" in with_(ssh_known_hosts="/dev/null")["login"]["result"]
    assert "ssh -p" in with_(ssh_known_hosts="/dev/null")["login"]["cure"]
    assert "refuses connections" in with_(ssh_port="1")["login"]["result"]
    assert "No such file" in with_(ssh_key="/nonexistent/key")["login"]["result"]
    assert "Correct pacha.ssh.key" in with_(ssh_key="/nonexistent/key")["login"]["cure"]
    (pushed.home / "key.pub").write_text("ssh-ed25519 AAAA root@bar\n")
    assert "not its .pub file" in with_(ssh_key=str(pushed.home / "key.pub"))["login"]["cure"]
    assert "add-host" in with_(hosts_path="/nonexistent/hosts")["hosts folder"]["cure"]
    assert "pacha.hg.command" in with_(hg_command="no-such-hg")["programs"]["cure"]
    pushed.config.write_text("[DEFAULT]\npacha.hsot = x\n")
    assert "nearest is pacha.host" in checks(pushed, 10)["configuration"]["result"]


def test_the_doctor_does_not_hang_on_a_master_that_says_nothing(pushed: Host) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        pushed.configure(ssh_port=str(silent.getsockname()[1]), ssh_timeout="2")
        assert "login" in checks(pushed, 11)


def test_one_master_of_several_that_is_lost_is_something_to_look_at(pushed: Host) -> None:
    pushed.configure(host=f"{pushed.stage.server.address}, 127.0.0.77")
    assert checks(pushed, 3)["login"]["master"] == "127.0.0.77"


def test_init_from_options_makes_a_host_that_pushes(stage: Stage) -> None:
    host = Host(stage, stage.folder / "new", "new")
    host.config.unlink()
    watched = stage.folder / "bar"
    watched.mkdir()
    key = host.home / "keys" / "id"
    words = ["--config", host.config, "init", "--host", "master.example.com", "--port", "2222", "--user", "bar_user"]
    done = host.pacha(*words, "--hostname", "bar", "--watch", watched, "--key", key, PACHA_CONFIG="").must()
    assert stat.S_IMODE(host.config.stat().st_mode) == stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.with_suffix(".pub").read_text().strip() in done.out
    assert f"ssh -p 2222 -i {key} bar_user@master.example.com" in done.out
    assert "pacha add-host bar --user bar_user --key - --install bar_user" in done.out
    assert done.out.rstrip().endswith("pacha rebuild bar")
    values = host.pacha("config-values", PACHA_CONFIG="").must().out
    assert parse.parse_config(values) == replace(load.load_config(host.config), path=None)
    assert "pacha.ssh.port = 2222\n" in values
    assert f"pacha.ssh.key = {key}" in values and f"# watched: {watched}" in values
    before = host.config.read_bytes()
    again = host.pacha(*words, "--hostname", "bar", "--watch", watched, "--key", key).must(2)
    assert "--force" in again.err and host.config.read_bytes() == before


def test_init_with_options_alone_makes_the_usual_key(stage: Stage) -> None:
    host = Host(stage, stage.folder / "new", "new")
    host.config.unlink()
    (stage.folder / "bar").mkdir()
    words = ["--host", "m.example.com", "--user", "bar_user", "--hostname", "bar", "--watch", stage.folder / "bar"]
    done = host.pacha("--config", host.config, "init", *words, PACHA_CONFIG="").must()
    public = (host.home / ".ssh/id_ed25519.pub").read_text().strip()
    assert "Made the key" in done.out and public in done.out and "< bar.pub" not in done.out


def test_init_asks_four_questions(tmp_path: Path) -> None:
    from tests.support.stage import PACHA

    (tmp_path / "watched").mkdir()
    places = {"PACHA_SSH": f"{tmp_path}/.ssh", "PACHA_STATE": f"{tmp_path}/state", "PACHA_CONFIG": ""}
    command = f"{PACHA} --config {tmp_path}/pacha.conf init"
    answers = f"master.example.com\nbar_user\nbar\n{tmp_path}/watched\ny\n"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], input=answers, env={**os.environ, **places},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    text = (tmp_path / "pacha.conf").read_text()
    for line in ("pacha.host = master.example.com", "pacha.ssh.user = bar_user", "pacha.hostname = bar"):
        assert line in text
    assert (tmp_path / ".ssh/id_ed25519.pub").exists() and "pacha add-host bar" in done.stdout


@pytest.mark.parametrize("bad", [["--host", "a b"], ["--watch", "/nonexistent"], ["--user", "x\ny"]])
def test_init_writes_nothing_for_an_answer_that_cannot_be(tmp_path: Path, bad: list[str], stage: Stage) -> None:
    host = Host(stage, stage.folder / "new", "new")
    host.config.unlink()
    good = {"--host": "master", "--user": "u", "--hostname": "bar", "--watch": str(tmp_path)}
    words = [word for pair in {**good, bad[0]: bad[1]}.items() for word in pair]
    done = host.pacha("--config", host.config, "init", *words, PACHA_CONFIG="")
    assert done.code in (2, 10) and not host.config.exists(), done.err


def test_init_asks_nobody_where_nobody_is(stage: Stage) -> None:
    host = Host(stage, stage.folder / "new", "new")
    host.config.unlink()
    assert "--host" in host.pacha("--config", host.config, "init").must(2).err
    assert not host.config.exists()
