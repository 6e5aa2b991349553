"""What was purged is nowhere any more: not on a master, not on a second one, not on the host; all else is as it was."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pacha.server.purge import carry_out, plan
from pacha.server.purge_choice import PurgeOrder
from pacha.store import database
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.snapshot import Snapshot, Watched
from tests.support.amount import amount, by_turns, is_soak
from tests.support.applying import CHANGING
from tests.support.canaries import found
from tests.support.forced import Door, ssh
from tests.support.mercurial import run_hg, system_hg
from tests.support.sshd import Relay, Sshd
from tests.support.stage import PACHA, Done, Host, Stage, changed, picture, said, small_disk
from tests.support.two_masters import two_masters

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
    bar.push()
    assert set(year.found()) == set(year.canaries.values()) and len(year.canaries) == NAMES
    purge(bar, year.top / "secret")
    on_first = found(year.canaries.values(), stage.hosts)
    assert on_first == {}
    with counted(bar) as line:
        done = bar.push(code=3)
        following, line.up = line.up, 0
        idle = line_of_idle_push(bar, line)
        print(f"the next push sent {following} bytes, an idle one {idle}")
        assert following < idle + (10 << 10)
    said(done, "content purged on", "as bar_user", "(by accident)", "not on", f"pacha purge bar {year.top}/secret")
    assert found(year.canaries.values(), bar.state, bar.temporary) == {}
    said(bar.push(code=3), "run there")
    purge(master(stage, "hosts2"), year.top / "secret")
    assert bar.push().lines == []
    assert year.found() == {}
    everything_else_is_there(year)


def master(stage: Stage, hosts: str) -> Host:
    """Root on the machine of a master."""
    root = Host(stage, stage.folder / f"root of {hosts}", "bar")
    root.configure(hostname="master", hosts_path=str(stage.folder / hosts))
    return root


@contextmanager
def counted(host: Host) -> Iterator[Relay]:
    """A line to the first master that counts what is sent."""
    server, config = host.stage.server, host.home / ".ssh" / "config"
    before = config.read_text()
    with Relay((server.address, server.port)) as line:
        server.trust(f"[127.0.0.1]:{line.port}")
        there = f"HostName {server.address}\nPort {server.port}\n"
        assert there in before
        config.write_text(before.replace(there, f"HostName 127.0.0.1\nPort {line.port}\n", 1))
        yield line
    config.write_text(before)


def line_of_idle_push(host: Host, line: Relay) -> int:
    """The bytes that a push with nothing to say sends to the first master."""
    host.push(code=3)  # the other master lacks the purge
    return line.up


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
        said_by_hg(folder)
        if is_soak() or hosts == "hosts":
            shown_by_hgweb(folder)
    log = year.host.pacha("log", "bar", year.top / "secret").must()
    assert "content purged on" in log.out
    assert [node for node in year.pictures if node[:12] not in log.out] == [], "each snapshot touched a secret"


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


def shown_by_hgweb(repository: Path) -> None:
    """The newest and the oldest revision, with the files that were purged and one that was not.

    Mercurial refuses purged content (403); the pages of a file whose first revision is purged fail in it (500).
    """
    with hgweb(repository) as site:
        for node in ("0", "tip"):
            for page in ("log", "shortlog", "rev", "file", "graph"):
                assert fetched(f"{site}/{page}/{node}")[0] == 200, (page, node)
            for page in ("file", "raw-file", "log", "annotate"):
                assert fetched(f"{site}/{page}/{node}/plain/file0")[0] == 200, (page, node)
        assert fetched(f"{site}/raw-file/0/plain/file0") == (200, b"0\n")
        assert fetched(f"{site}/raw-file/0/secret/s0")[0] == 403
        assert {fetched(f"{site}/{page}/0/secret/s0")[0] for page in ("file", "log", "annotate")} <= {200, 403, 500}


@contextmanager
def hgweb(repository: Path) -> Iterator[str]:
    """The URL at which the system's hg shows a repository."""
    command = [system_hg(), "-R", repository, "serve", "--address", "127.0.0.1", "--port", "0"]
    environment = {"HGRCPATH": "", "PATH": os.environ["PATH"]}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        port = server.stdout.readline().split(":")[2].partition("/")[0]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def fetched(url: str) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


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


@pytest.fixture(params=by_turns(["plain", "forced"], 2))
def bar(request: pytest.FixtureRequest, stage: Stage, door: Door) -> Host:
    """A host with a plain account, and one behind the forced command."""
    return stage.host("bar") if request.param == "plain" else door.host(stage)


def test_the_host_follows_and_a_master_that_was_set_back_gets_nothing_back(bar: Host, stage: Stage, foo: Path) -> None:
    (foo / "key").rename(stage.folder / "key")
    bar.watch(foo)
    bar.push()
    before_it_came = copied(stage, "before")
    (stage.folder / "key").rename(foo / "key")
    bar.push()
    (foo / "key").write_text("none\n")
    bar.push()
    with_it = copied(stage, "with")
    purge(bar, foo / "key", code=3)
    said(bar.push(code=3), "content purged on")
    assert found([b"SECRET"], stage.hosts, bar.state) == {}
    assert bar.push().lines == []
    set_back(stage, with_it)
    said(bar.push(code=3), f"pacha purge bar {foo}/key")
    assert found([b"SECRET"], bar.state) == {}
    (foo / "key").write_text("more\n")
    said(bar.push(code=3), f"pacha purge bar {foo}/key")
    purge(bar, foo / "key", code=3)
    all_is_well(bar, stage, foo)
    # one that never had it: Mercurial alone takes the history without it, Pacha there once that is recorded
    set_back(stage, before_it_came)
    done = bar.pacha("push")
    assert done.code == (1 if "pacha.ssh.key" in bar.settings else 3), done
    said(done, f"run there: pacha purge bar {foo}/key --record")
    assert done.err.count("run there") == 1
    assert "that is recorded" in bar.pacha("purge", "bar", foo / "key", "--yes", "--record").out
    all_is_well(bar, stage, foo)


def copied(stage: Stage, name: str) -> Path:
    return shutil.copytree(stage.hosts / "bar", stage.folder / name)


def set_back(stage: Stage, copy: Path) -> None:
    """As when a master is restored from a backup of its own."""
    shutil.rmtree(stage.hosts / "bar")
    shutil.copytree(copy, stage.hosts / "bar")
    give(stage)


def all_is_well(bar: Host, stage: Stage, foo: Path) -> None:
    """After a push nothing is left to be told, and what is there comes back."""
    bar.pacha("push")
    assert bar.push().lines == []
    assert found([b"SECRET"], stage.hosts, bar.state) == {}
    shutil.rmtree(bar.folder / "out", ignore_errors=True)
    bar.rebuild("--target", bar.folder / "out")
    assert Path(f"{bar.folder}/out{foo}/key").read_text() == "more\n"


def give(stage: Stage) -> None:
    """Everything below the folder of hosts is the account's again."""
    for folder, _, names in os.walk(stage.hosts / "bar"):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.lchown(path, stage.account.uid, stage.account.gid)


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
    for number in range(int(amount("PACHA_AWAY", sample=3, soak=300))):
        (foo / "plain").write_text(f"{number}\n")
        bar.push(code=11)
    bar.configure(ssh_port=str(stage.server.port))
    said(bar.push(code=3), "content purged on")
    assert found([b"SECRET"], stage.hosts, bar.state) == {}
    assert bar.push().lines == []


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


def attempts(host: Host, foo: Path) -> list[str]:
    """Ways to purge, to say what was purged, or to replace a history, with a host's key."""
    folder = host.stage.hosts / host.name
    record, repository, path = folder / ".purged", folder / "foo", foo / "key"
    programs = ["pacha", "pacha --config /dev/null", "/usr/local/bin/pacha", "env pacha", "sudo pacha"]
    words = [
        f"purge bar {path} --yes", f"--purge bar {path} --yes", f"--purge=bar {path}",
        "purge bar --older-than 1d --yes",
    ]  # fmt: skip
    return [
        *(f"{program} {word}" for program in programs for word in words),
        f"pacha serve bar --hosts-path {host.stage.hosts} --purge",
        "pacha serve bar --hosts-path / --repository .purged",
        f"pacha serve bar --hosts-path {host.stage.hosts} --repository .new-.purged-00000000",
        f"cat > {record}", f"cat > {record}.new", f"cat >> {record}", f"mv -f {record}.new {record}", f"rm {record}",
        f"mv -f {folder}/last-push.new {record}", f"mv -T {folder}/.new-foo-00000000 {record}", f"hg init {record}",
        f"hg -R {repository} censor -r 0 key", f"hg --config extensions.censor= -R {repository} censor -r 0 key",
        f"hg -R {repository} --config extensions.strip= strip 0", f"hg -R {repository} serve --stdio --config x.y=z",
        f"hg -R {record} serve --stdio", f"scp -t {record}", f"scp -r -t {folder}", f"cp /dev/null {record}",
        f"sh -c 'pacha purge bar {path}'",
    ]  # fmt: skip


def test_no_key_of_a_host_purges(stage: Stage, door: Door, foo: Path) -> None:
    bar = door.host(stage)
    came_and_went(bar, foo)
    before = {path: path.read_bytes() for path in stage.hosts.rglob("*") if path.is_file()}
    every = attempts(bar, foo)
    assert len(every) == 40
    for text in by_turns(every, 13):
        done = subprocess.run(ssh(bar, text), input=b'{"do": "purge"}\n', capture_output=True, timeout=60)
        assert done.returncode and b"Permission denied" in done.stderr, (text, done)
    control = f"pacha serve bar --hosts-path {stage.hosts} --control"
    requests = [
        b'{"do": "purge", "paths": ["/"]}', b'{"do": "purged", "line": "{}"}', b'{"do": "create", "name": ".purged"}',
        b'{"do": "new", "name": ".purged"}', b'{"do": "beat", "line": "{}", "name": ".purged"}',
    ]  # fmt: skip
    done = subprocess.run(ssh(bar, control), input=b"\n".join(requests) + b"\n", capture_output=True, timeout=60)
    assert done.stdout.count(b'"error"') == len(requests), done.stdout
    assert {path: path.read_bytes() for path in stage.hosts.rglob("*") if path.is_file()} == before


def test_a_host_that_erases_its_own_history_erases_nothing_on_the_master(stage: Stage, door: Door, foo: Path) -> None:
    """What the master has stays; what it has not yet is not taken without its content."""
    bar = door.host(stage)
    came_and_went(bar, foo)
    erase_here(bar)
    (foo / "plain").write_text("more\n")
    bar.push()
    assert found([b"SECRET"], stage.hosts)
    bar.configure(ssh_port="1")
    (foo / "key").write_text("SECRET again\n")
    bar.push(code=11)
    (foo / "key").write_text("none\n")
    bar.push(code=11)
    bar.configure(ssh_port=str(stage.server.port))
    erase_here(bar)
    said(bar.push(code=1), "was purged elsewhere, and that is not recorded here")
    bar.verify_master()


def erase_here(bar: Host) -> None:
    """Erase all contents of the key in the history of the host, as whoever owns the host can."""
    repository = Repository.open(str(bar.state / "repos" / "foo"))
    nodes = [each.node for each in repository.file_revisions(lambda name: name == b"key")]
    assert repository.erase({b"key": nodes[:-1]})


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_killed_anywhere_it_is_old_or_new_and_the_next_run_ends_it(stage: Stage, foo: Path) -> None:
    """In two repositories. The folder is root's meanwhile: then all is done in one process, whose calls are counted."""
    bar, other = stage.host("bar"), foo.with_name("other")
    with open(foo / "large", "wb") as large:
        large.write(os.urandom(200_000) + b"SECRET")
    shutil.copytree(foo, other)
    bar.watch(other)
    came_and_went(bar, foo)
    (foo / "large").unlink()
    shutil.rmtree(other)
    other.mkdir()
    bar.push()
    whole, root = shutil.copytree(stage.hosts, stage.folder / "whole"), master(stage, "hosts")
    put_back(stage, whole)
    points = killing_points(root, foo, other)
    print(f"{len(points)} points")
    for call, number in points if is_soak() else random.Random(4).sample(points, 3):
        put_back(stage, whole)
        log = traced(root, foo, other, "-e", f"inject={call}:signal=KILL:when={number}")
        assert "+++ killed by SIGKILL +++" in log, (call, number)
        give(stage)
        reads(root, foo)
        done = root.pacha("purge", "bar", foo, other, "--yes")
        assert done.code in (0, 1, 3), done.err
        assert found([b"SECRET"], stage.hosts) == {}, (call, number)
        reads(root, foo)


def put_back(stage: Stage, whole: Path) -> None:
    """The host's folder as it was, root's."""
    shutil.rmtree(stage.hosts / "bar")
    shutil.copytree(whole / "bar", stage.hosts / "bar")


def reads(root: Host, foo: Path) -> None:
    """The newest snapshot is there, and the first one as it was or without the secret."""
    assert root.pacha("cat", "--host", "bar", foo / "plain").must().out == "plain\n"
    first = root.pacha("log", "bar").must().out.splitlines()[-1].split()[0]
    done = root.pacha("cat", "--host", "bar", "--at", first, foo / "key")
    assert (done.code, done.out) in ((0, "SECRET\n"), (3, "")), done.err


def traced(root: Host, *words: str | Path) -> str:
    """Run the purge of some paths under strace with its options; what it wrote."""
    log, paths = root.folder / "strace.log", [word for word in words if isinstance(word, Path)]
    options = [word for word in words if not isinstance(word, Path)]
    command = ["strace", "-f", "-o", log, *options, PACHA, "purge", "bar", *paths, "--yes"]
    subprocess.run(command, env=root.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    return log.read_text(errors="replace")


def killing_points(root: Host, *paths: Path) -> list[tuple[str, int]]:
    """Every changing call of an undisturbed purge: its name, and which one of that name."""
    counts: dict[str, int] = {}
    for line in traced(root, *paths, "-e", f"trace={CHANGING}").splitlines():
        name, bracket, _ = line.split(maxsplit=1)[-1].partition("(")
        if bracket and name.isalnum():
            counts[name] = counts.get(name, 0) + 1
    return [(name, number) for name, count in sorted(counts.items()) for number in range(1, count + 1)]


def test_on_a_full_disk_nothing_is_lost_and_the_next_run_ends_it(stage: Stage, foo: Path) -> None:
    """Once the record does not fit any more, once the logs, at different points."""
    with small_disk(stage.hosts, "8m"):
        bar, root = stage.host("bar"), master(stage, "hosts")
        (foo / "large").write_bytes(os.urandom(1 << 20) + b"SECRET")
        came_and_went(bar, foo)
        (foo / "large").write_bytes(os.urandom(1 << 20))
        bar.push()
        for free in (0, 8, 200, 900):
            fill(stage.hosts / "filler", free << 10)
            done = root.pacha("purge", "bar", foo, "--yes").must(1)
            assert "space" in done.err, done.err
            reads(root, foo)
            assert found([b"SECRET"], stage.hosts)
        (stage.hosts / "filler").unlink()
        root.pacha("purge", "bar", foo, "--yes").must(3)
        assert found([b"SECRET"], stage.hosts) == {}
        reads(root, foo)


def fill(filler: Path, free: int) -> None:
    """Leave so many bytes on its file system."""
    filler.unlink(missing_ok=True)
    room = os.statvfs(filler.parent)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize - free))


def test_what_runs_meanwhile_is_consistent(stage: Stage, foo: Path) -> None:
    """A push, a rebuild and a check at the moment of a purge: each is as before it or after it."""
    bar, root = stage.host("bar"), master(stage, "hosts")
    bar.watch(foo)
    for number in range(int(amount("PACHA_PURGES_MEANWHILE", sample=1, soak=20))):
        (foo / "key").write_text(f"SECRET{number}\n")
        bar.push()
        (foo / "key").write_text("none\n")
        bar.push()
        (foo / "plain").write_text(f"plain {number}\n")
        rebuild = ("rebuild", "bar", "--yes", "--target", bar.folder / f"out{number}")
        runs = [(root, "purge", "bar", foo / "key", "--yes"), (bar, "push"), (root, *rebuild), (root, "check", "bar")]
        with ThreadPoolExecutor(len(runs)) as pool:  # LANG: each in a process of its own
            purged, *others = pool.map(lambda run: run[0].pacha(*run[1:], LANG="C.UTF-8"), runs)
        assert purged.code in (1, 3), purged
        assert all(done.code in (0, 3) for done in others), (purged, others)
        assert Path(f"{bar.folder}/out{number}{foo}/key").read_text() == "none\n"
        if purged.code == 1:  # the push was there first
            purge(bar, foo / "key", code=3)
        assert bar.pacha("push").code in (0, 3) and bar.push().lines == []
        assert found([f"SECRET{number}".encode()], stage.hosts, bar.state) == {}
        assert root.pacha("cat", "--host", "bar", foo / "plain").must().out == f"plain {number}\n"


def daily(hosts: Path, days: int, size_of_each: int) -> None:
    """A host's folder with a snapshot a day, of a file that changed wholly each time."""
    (hosts / "bar").mkdir(parents=True, mode=0o700)
    data, db = (Repository.open(str(hosts / "bar" / name), create=True) for name in ("data", "db"))
    node, tip, image, now = NULL, NULL, hosts / "pacha.db", time.time()
    for day in range(days):
        note = Note("one", "root@bar", now - (days - 1 - day) * 86400 - 60)
        node = data.commit(node, [b"dump"], [], lambda name: Blob(os.urandom(size_of_each)), note)
        watched = Watched(path=b"/data", single=False, repository="data", node=node)
        database.write(str(image), Snapshot(meta={"host": "bar"}, watched=(watched,)))
        content = database.image(str(image))
        tip = db.commit(tip, [b"pacha.db"], [], lambda name, content=content: Blob(content), note)  # type: ignore[misc]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Mercurial leaves a log open
def test_old_contents_give_their_room_back(tmp_path: Path) -> None:
    """30 days are kept of a file that changes wholly every day; the list of snapshots stays."""
    days = int(amount("PACHA_DAYS", sample=60, soak=1000))
    size_of_each = int(amount("PACHA_DAY_SIZE", sample=20_000, soak=5 << 20))
    daily(tmp_path, days, size_of_each)
    order, hosts = PurgeOrder(older_than=30 * 86400.0), os.fsencode(tmp_path)
    done = carry_out(hosts, "bar", order, plan(hosts, "bar", order), limits="", why="")
    assert done.erased == days - 30
    taken = sum(path.stat().st_blocks * 512 for path in (tmp_path / "bar" / "data").rglob("*"))
    print(f"{days} snapshots: {done.before} bytes before, {done.after} after; {taken / (30 * size_of_each):.3f} times")
    assert taken <= 1.3 * 30 * size_of_each
    assert len(list(Repository.open(str(tmp_path / "bar" / "db")).revisions())) == days
