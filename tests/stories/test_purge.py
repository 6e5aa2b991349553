"""What was purged is nowhere any more: not on a master, not on a second one, not on the host; all else is as it was."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.amount import amount, is_soak
from tests.support.canaries import found
from tests.support.forced import Door
from tests.support.mercurial import run_hg, system_hg
from tests.support.sshd import Sshd
from tests.support.stage import Done, Host, Stage, changed, picture, said
from tests.support.two_masters import up

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]
SNAPSHOTS = int(amount("PACHA_PURGED_SNAPSHOTS", sample=9, soak=200))
LARGE = 17 << 20
NAMES = 20


@dataclass
class Year:
    """A folder with secrets that came and went, and what the rest of it was at each snapshot."""

    host: Host
    top: Path
    canaries: dict[Path, bytes] = field(default_factory=dict)
    renamed: list[Path] = field(default_factory=list)
    pictures: dict[str, dict[bytes, object]] = field(default_factory=dict)

    def live(self, snapshots: int) -> None:
        """So many pushes; the secrets come one after the other, stay for a while, and are gone at the end."""
        (self.top / "secret").mkdir(parents=True)
        (self.top / "plain").mkdir()
        self.host.watch(self.top)
        for number in range(snapshots):
            (self.top / "plain" / f"file{number % 7}").write_text(f"{number}\n" * (number + 1))
            for secret in range(NAMES):
                self._turn(secret, number, snapshots)
            self.host.push()
            self.pictures[self.newest()] = picture(self.top / "plain")

    def newest(self) -> str:
        """The id of the newest snapshot."""
        return str(self.host.memory["tip"])

    def _turn(self, secret: int, number: int, snapshots: int) -> None:
        """What happens to a secret at a snapshot."""
        path = self.top / "secret" / f"s{secret}"
        comes, goes = secret * (snapshots // 2) // NAMES, snapshots - 1 - secret % 3
        if number == comes:
            self.canaries[path] = secrets.token_hex(16).encode()
            path.write_bytes(self._content(secret))
        elif number == goes:
            self._moved(path, secret).unlink() if self._moved(path, secret).exists() else path.unlink()
        elif comes < number < goes and secret % 5 == 3 and path.exists():
            path.rename(self._moved(path, secret))
            self.renamed.append(self._moved(path, secret))
        elif comes < number < goes and secret % 5 == 0 and secret != 10:
            path.write_bytes(self._content(secret) + b"line %d\n" % number)

    def _moved(self, path: Path, secret: int) -> Path:
        return path.with_name(f"moved{secret}") if secret % 5 == 3 else path

    def _content(self, secret: int) -> bytes:
        canary = self.canaries[self.top / "secret" / f"s{secret}"]
        if secret == 10:
            return b"\n".join(b"%d" % line for line in range(LARGE // 8)) + canary + bytes(LARGE // 8)
        if secret % 5 == 1:
            return os.urandom(5000) + canary + os.urandom(5000)
        return b"password = " + canary + b"\n" + b"# more\n" * secret

    def kept(self) -> list[Path]:
        """Everything that keeps anything of this host."""
        return [self.host.stage.hosts, self.host.state, *self.host.stage.folder.glob("hosts2"), self.host.temporary]

    def found(self) -> dict[bytes, set[str]]:
        """Where the secrets are."""
        return found(self.canaries.values(), *self.kept())


def purge(host: Host, *words: str | Path, code: int = 0) -> Done:
    """On the host's master: erase."""
    return host.pacha("purge", host.name, *words, "--yes", "-m", "by accident").must(code)


def test_what_was_purged_is_nowhere_and_all_else_is_as_it_was(stage: Stage, second: Sshd) -> None:
    bar = two_masters(stage, second)
    year = Year(bar, stage.folder / "opt" / "app")
    year.live(SNAPSHOTS)
    idle = sent_by(bar)
    assert set(year.found()) == set(year.canaries.values()) and len(year.canaries) == NAMES
    purge(bar, year.top / "secret")
    on_first = found(year.canaries.values(), stage.hosts)
    assert on_first == {}
    done = bar.push(code=3)
    said(done, "content purged on", "as bar_user", "(by accident)", "not on", f"pacha purge bar {year.top}/secret")
    assert found(year.canaries.values(), bar.state, bar.temporary) == {}
    said(bar.push(code=3), "run there")
    purge(master(stage, "hosts2"), year.top / "secret")
    assert bar.push().lines == []
    assert year.found() == {}
    assert sent_by(bar) - idle < 10 << 10
    everything_else_is_there(year)


def two_masters(stage: Stage, second: Sshd) -> Host:
    """A host with two masters, plain accounts both."""
    host = stage.host("bar")
    elsewhere = stage.folder / "hosts2" / "bar"
    elsewhere.mkdir(parents=True)
    elsewhere.chmod(0o700)
    os.chown(elsewhere, stage.account.uid, stage.account.gid)
    up(host, second)
    return host


def master(stage: Stage, hosts: str) -> Host:
    """Root on the machine of a master."""
    root = Host(stage, stage.folder / f"root of {hosts}", "bar")
    root.configure(hostname="master", hosts_path=str(stage.folder / hosts))
    return root


def sent_by(host: Host) -> int:
    """The bytes that the repositories of the masters grow by a push."""
    before = size(host)
    host.push()
    return size(host) - before


def size(host: Host) -> int:
    return sum(path.stat().st_size for path in host.stage.folder.glob("hosts*/**/*") if path.is_file())


def everything_else_is_there(year: Year) -> None:
    """Each snapshot comes back but for the secrets, which are named; hg says so of just those; it can be cloned."""
    for node, wanted in list(year.pictures.items())[:: 1 if is_soak() else 5]:
        target = year.host.folder / "out"
        done = year.host.pacha("rebuild", "bar", "--yes", "--at", node, "--target", target)
        assert done.code in (0, 3), done.err
        assert changed(picture(Path(f"{target}{year.top}/plain")), wanted) == []
        assert all("content purged on" in line and "/secret/" in line for line in done.lines), done.lines
        shutil.rmtree(target)
    for hosts in ("hosts", "hosts2"):
        folder = year.host.stage.folder / hosts / "bar" / "app"
        if folder.exists():
            said_by_hg(folder)
    log = year.host.pacha("log", "bar", year.top / "secret").must()
    assert "content purged on" in log.out and len(log.out.splitlines()) > NAMES // 2


def said_by_hg(repository: Path) -> None:
    """It names purged files alone, and clones."""
    command = [system_hg(), "-R", repository, "verify"]
    done = subprocess.run(command, env={"HGRCPATH": "", "PATH": os.environ["PATH"]}, capture_output=True, text=True)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "@" in line]
    assert lines and all(line.strip().endswith("censored file data") for line in lines), done
    assert all(line.strip().startswith(("secret/", ".pacha/parts/secret/")) for line in lines), done
    clone = repository.with_name("clone")
    run_hg("clone", str(repository), str(clone))
    shutil.rmtree(clone)


@pytest.fixture
def foo(stage: Stage) -> Path:
    """What a host watches: a secret that came and went."""
    top = stage.folder / "opt" / "foo"
    top.mkdir(parents=True)
    (top / "key").write_text("SECRET\n")
    (top / "plain").write_text("plain\n")
    return top


def came_and_went(host: Host, foo: Path) -> None:
    host.watch(foo)
    host.push()
    (foo / "key").write_text("none\n")
    host.push()


def test_behind_a_forced_command_the_host_follows_as_well(stage: Stage, door: Door, foo: Path) -> None:
    bar = door.host(stage)
    came_and_went(bar, foo)
    copy_of_master = shutil.copytree(stage.hosts / "bar", stage.folder / "copy")
    purge(bar, foo / "key", code=3)
    said(bar.push(code=3), "content purged on")
    assert found([b"SECRET"], stage.hosts, bar.state) == {}
    assert bar.push().lines == []
    # a master that was restored from an older copy is told of, and brings nothing back
    shutil.rmtree(stage.hosts / "bar")
    shutil.copytree(copy_of_master, stage.hosts / "bar")
    give(stage)
    said(bar.push(code=3), f"pacha purge bar {foo}/key")
    assert found([b"SECRET"], bar.state) == {}
    (foo / "key").write_text("more\n")
    bar.push(code=3)
    purge(bar, foo / "key", code=3)
    bar.push(code=3)
    assert bar.push().lines == []
    assert found([b"SECRET"], stage.hosts, bar.state) == {}
    bar.rebuild("--target", bar.folder / "out")


def give(stage: Stage) -> None:
    """Everything below the folder of hosts is the account's again."""
    for folder, _, names in os.walk(stage.hosts / "bar"):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chown(path, stage.account.uid, stage.account.gid)


def test_the_newest_snapshot_is_refused_and_with_a_word_recorded_anew(stage: Stage, foo: Path) -> None:
    bar = stage.host("bar")
    bar.watch(foo)
    bar.push()
    said(purge(bar, foo / "key", code=1), "The newest snapshot still has that content.")
    purge(bar, foo / "key", "--also-newest", code=3)
    done = bar.rebuild("--target", bar.folder / "out", code=3)
    said(done, "content purged on", "not restored")
    assert not Path(f"{bar.folder}/out{foo}/key").exists()
    root = master(stage, "hosts")
    said(root.pacha("cat", "--host", "bar", foo / "key").must(3), "has no content any more", "(by accident)")
    assert "1 purged" in root.pacha("check", "bar").must().out
    bar.push(code=3)
    assert root.pacha("cat", "--host", "bar", foo / "key").must().out == "SECRET\n"


def test_a_host_that_was_away_follows_when_it_comes_back(stage: Stage, foo: Path) -> None:
    bar = stage.host("bar")
    came_and_went(bar, foo)
    purge(bar, foo / "key", code=3)
    bar.configure(ssh_port="1")
    for number in range(3):
        (foo / "plain").write_text(f"{number}\n")
        bar.push(code=11)
    bar.configure(ssh_port=str(stage.server.port))
    said(bar.push(code=3), "content purged on")
    assert found([b"SECRET"], stage.hosts, bar.state) == {}
    bar.verify_master() if False else None


def test_what_is_changed_before_it_is_pushed_again_is_not_lost(stage: Stage, foo: Path) -> None:
    """The newest content is purged on the master, and another is on the disk: the old one stays until that is there."""
    bar = stage.host("bar")
    bar.watch(foo)
    bar.push()
    purge(bar, foo / "key", "--also-newest", code=3)
    (foo / "key").write_text("another\n")
    said(bar.push(code=3), "is forgotten here once a newer snapshot lacks it")
    assert found([b"SECRET"], stage.hosts) == {}
    said(bar.push(code=3), "content purged on")
    assert found([b"SECRET"], bar.state) == {}
    assert bar.push().lines == []
    bar.rebuild("--target", bar.folder / "out")
