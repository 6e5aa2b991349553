"""What each released format wrote, kept for ever: this Pacha goes on from it, and refuses what is later."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

FORMATS = Path(__file__).resolve().parents[1] / "formats"
PACHA = Path(sys.executable).with_name("pacha")


class Old:
    """A host that is its own master, as a Pacha of then left it: three snapshots of ``/tmp/pacha-format-N/etc``."""

    def __init__(self, archive: Path, folder: Path) -> None:
        with tarfile.open(archive) as members:
            members.extractall(folder, filter="data")
        self.folder = folder
        (folder / "pacha.conf").write_text(
            f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {folder}/hosts\npacha.hostname = bar\n"
        )

    def pacha(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        places = {"PACHA_CONFIG": "pacha.conf", "PACHA_STATE": "state", "HOME": "", "TMPDIR": ""}
        environment = {key: str(self.folder / name) for key, name in places.items()}
        command = [str(PACHA), *map(str, words)]
        more = {**os.environ, **environment, "PACHA_PACKAGES": "no"}
        return subprocess.run(command, env=more, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)


@pytest.fixture(params=sorted(FORMATS.glob("*.tar.xz")), ids=lambda path: path.name.partition(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    return Old(request.param, tmp_path)


def test_it_goes_on_from_what_was_written_then(old: Old, tmp_path: Path) -> None:
    tip = json.loads((old.folder / "state" / "memory.json").read_text())["tip"]
    log = old.pacha("log", "--json")
    assert log.returncode == 0 and len(log.stdout.splitlines()) >= 3, log.stderr
    new = tmp_path / "new"
    new.mkdir()
    (new / "file").write_text("new\n")
    assert old.pacha("watch", new).returncode == 0
    push = old.pacha("push")
    assert push.returncode in (0, 3), push.stderr  # the folder of then is not here
    target = tmp_path / "target"
    rebuild = old.pacha("rebuild", "bar", "--at", tip, "--target", target, "--yes")
    assert rebuild.returncode in (0, 3), rebuild.stderr
    [etc] = target.glob("tmp/pacha-format-*/etc")
    texts = {path.name: path.read_text() for path in etc.iterdir()}
    assert texts == {"one": "changed\n", "two": "two\n", "three": "three\n", "link": "changed\n"}
    assert os.readlink(etc / "link") == "one" and stat.S_IMODE((etc / "two").stat().st_mode) == 0o640


def test_a_state_folder_of_a_later_format_is_left_alone(old: Old) -> None:
    memory = old.folder / "state" / "memory.json"
    later = {**json.loads(memory.read_text()), "readable_from": 1000}
    memory.write_text(json.dumps(later))
    push = old.pacha("push")
    assert push.returncode == 1 and "later Pacha" in push.stderr and "Install" in push.stderr
    assert json.loads(memory.read_text()) == later


def test_what_was_signed_then_is_verified_now(old: Old) -> None:
    signer = old.folder / "signer.pub"
    if not signer.exists():  # none was signed in that format
        assert old.pacha("rebuild", "bar", "--dry-run", "--signers", "/dev/null").returncode == 10
        return
    signers = old.folder / "signers"
    signers.write_text(f"bar {signer.read_text()}")
    planned = old.pacha(
        "rebuild", "bar", "--target", old.folder / "target", "--dry-run", "--json", "--signers", signers
    )
    assert planned.returncode in (0, 3), planned.stderr
    assert json.loads(planned.stdout)["signed"]["counter"] == 3
    signers.write_text(f"foo {signer.read_text()}")
    assert old.pacha("rebuild", "bar", "--dry-run", "--signers", signers).returncode == 13
