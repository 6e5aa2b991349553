"""What a command costs in things that can be counted: modules, turns of the line, bytes, system calls. Never seconds.

Each bound is what was counted plus a little; a change that goes beyond it should have a reason worth the cost.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.forced import door
from tests.support.liar import measured
from tests.support.sshd import Account, Relay, Sshd, admitted
from tests.support.stage import PACHA, Host, differences, on_stage, own

pytestmark = pytest.mark.slow

FILES = 200
#: What takes long to import.
HEAVY = frozenset({"paramiko", "cryptography", "mercurial", "sqlite3", "pacha.store", "pacha.files"})
#: What the log of an import says: its name in the last column (python -X importtime).
_IMPORT = re.compile(r"^import time:.*\| *([\w.]+)$", re.MULTILINE)


def make_tree(top: Path, files: int) -> Path:
    """Small files in folders of forty."""
    for number in range(files):
        folder = top / f"folder{number // 40}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}.conf").write_text(f"# number {number}\n" + "setting = value\n" * (number % 50))
    return top


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that no test changes but by its own line at the end of one file."""
    return make_tree(tmp_path_factory.mktemp("counts") / "tree", FILES)


@pytest.fixture
def host(bar: Host, tree: Path) -> Host:
    """A host that has pushed all of it."""
    bar.watch(tree)
    bar.push()
    return bar


@pytest.fixture
def relay(host: Host) -> Iterator[Relay]:
    """A line that counts, over which the host talks from now on."""
    server = host.stage.server
    # Long enough that what goes side by side makes one turn together: that is what a person waits for.
    with Relay((server.address, server.port), rtt=0.05) as made:
        server.trust(f"[127.0.0.1]:{made.port}")
        host.configure(ssh_port=str(made.port))
        yield made


@pytest.fixture(scope="module")
def counted(sshd: Sshd) -> Iterator[Account]:
    """A master's account that writes down each command, in a file that every test begins anew."""
    with admitted(sshd, own("pacha-counts"), "/bin/bash") as made:
        script = f'printf "%s\\n" "$BASH_EXECUTION_STRING" >> {made.home}/started\n'
        (made.home / ".bashrc").write_text(script)
        yield made


def change(tree: Path) -> None:
    """Add a line to one file."""
    with open(tree / "folder0" / "file1.conf", "a") as stream:
        stream.write("more = yes\n")


class TestModules:
    """What is imported."""

    @staticmethod
    def imported(host: Host | None, *arguments: str) -> set[str]:
        """The modules that a run of pacha imports, by name."""
        command = [sys.executable, "-X", "importtime", "-m", "pacha", *arguments]
        environment = host.environment() if host else None
        done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr[-2000:]
        return set(_IMPORT.findall(done.stderr))

    @pytest.mark.parametrize("argument", ["--version", "--help"])
    def test_what_says_something_imports_nothing_heavy(self, argument: str) -> None:
        assert not self.imported(None, argument) & HEAVY

    def test_the_version_is_said_without_click(self) -> None:
        assert "click" not in self.imported(None, "--version")

    def test_watching_talks_to_nobody(self, bar: Host, tree: Path) -> None:
        assert not self.imported(bar, "watch", str(tree)) & {"paramiko", "cryptography", "mercurial"}

    def test_an_idle_push_needs_no_mercurial(self, host: Host) -> None:
        found = self.imported(host, "push")
        assert "paramiko" in found, "the master was not talked to"
        assert not found & {
            "mercurial",
            "pacha.restore.journal",
            "invoke.runners",
        }  # the log names "invoke" where its import is refused

    def test_a_first_push_needs_only_the_c_parts_of_mercurial(self, bar: Host, tree: Path) -> None:
        bar.watch(tree)
        found = {name for name in self.imported(bar, "push") if name.startswith("mercurial")}
        assert found == {"mercurial", "mercurial.cext", "mercurial.cext.parsers", "mercurial.zstd"}

    def test_a_rebuild_leaves_mercurial_to_its_second_process(self, host: Host, tmp_path: Path) -> None:
        host.forget()
        found = self.imported(host, "rebuild", "bar", "--yes", "--target", str(tmp_path / "out"))
        assert "paramiko" in found and "mercurial" not in found
        assert "mercurial" not in self.imported(host, "rebuild", "bar", "--yes")
        assert host.pacha("verify").code == 0, "it did not go on as the host"


_OF_THREADS = "futex,poll,sched_yield,mmap,munmap,mprotect,madvise,recvfrom,sendto"


class TestTheLine:
    """How often it turns, and what goes over it. Logging in takes six turns; the rest is Pacha's."""

    def test_an_idle_push(self, host: Host, relay: Relay) -> None:
        host.push()
        assert relay.turns <= 10
        assert relay.up + relay.down <= 9_000

    def test_a_push_of_one_file(self, host: Host, relay: Relay, tree: Path) -> None:
        change(tree)
        host.push()
        assert relay.turns <= 16
        assert relay.up <= 30_000 and relay.down <= 10_000

    def test_a_first_push(self, bar: Host, tree: Path) -> None:
        server = bar.stage.server
        with Relay((server.address, server.port), rtt=0.05) as line:
            server.trust(f"[127.0.0.1]:{line.port}")
            bar.configure(ssh_port=str(line.port))
            bar.watch(tree)
            bar.push()
            assert line.turns <= 21

    def test_a_rebuild(self, host: Host, relay: Relay, tree: Path, tmp_path: Path) -> None:
        host.forget()
        host.rebuild("--target", tmp_path / "out")
        assert differences(tree, Path(f"{tmp_path}/out{tree}")) == ""
        assert relay.turns <= 12
        assert relay.up <= 15_000  # acknowledgements sent ahead, and no request for each file


class TestProcesses:
    """How many the account's shell starts on the master, each with its start-up file. One is for a Pacha there."""

    @pytest.mark.usefixtures("as_root")
    def test_behind_the_forced_command(self, sshd: Sshd, counted: Account, tree: Path, tmp_path: Path) -> None:
        """Each is a Python. At first one is refused: the client asks as if there were no Pacha, too."""
        log = counted.home / "started"

        def cost(work: Callable[[], object]) -> tuple[int, int]:
            """The processes there, and the turns of the line."""
            log.unlink(missing_ok=True)
            with Relay((sshd.address, sshd.port), rtt=0.05) as line:
                sshd.trust(f"[127.0.0.1]:{line.port}")
                host.configure(ssh_port=str(line.port))
                work()
            return len(log.read_text().splitlines()), line.turns

        with on_stage(sshd, counted) as stage, door() as pacha:
            host = pacha.host(stage)
            host.watch(tree)
            first, idle = cost(host.push), cost(host.push)
            change(tree)
            one = cost(host.push)
            host.forget()
            rebuild = cost(lambda: host.rebuild("--target", tmp_path / "out"))
        bounds = {"first": (2, 13), "idle": (1, 9), "one file": (1, 14), "rebuild": (2, 11)}
        for what, (processes, turns) in zip(bounds, (first, idle, one, rebuild), strict=True):
            assert processes <= bounds[what][0] and turns <= bounds[what][1], (what, processes, turns)

    @pytest.mark.parametrize("settings", [{}, {"ssh_command": "ssh"}], ids=["paramiko", "ssh"])
    def test_of_pushes_and_a_rebuild(
        self, sshd: Sshd, counted: Account, tree: Path, tmp_path: Path, settings: dict[str, str]
    ) -> None:
        (log := counted.home / "started").unlink(missing_ok=True)

        def started() -> list[str]:
            lines = log.read_text().splitlines()
            log.unlink()
            return lines

        with on_stage(sshd, counted) as stage:
            host = stage.host("bar")
            host.configure(**settings)
            host.watch(tree)
            host.push()
            assert len(first := started()) <= 4, first
            host.push()
            assert len(idle := started()) <= 2, idle
            change(tree)
            host.push()
            assert len(one := started()) <= 4, one
            host.forget()
            host.rebuild("--target", tmp_path / "out")
            assert len(rebuild := started()) <= 4, rebuild


class TestSystemCalls:
    """By strace(1), for each file more: a command's start has calls of its own."""

    @staticmethod
    def count(host: Host, folder: Path, *arguments: str | Path) -> int:
        """The system calls of a run of pacha, its threads' too, but for those that depend on who waits for whom."""
        log = folder / "strace.txt"
        command = ["strace", "-f", "-c", "-e", f"trace=!{_OF_THREADS}", "-o", log, PACHA, *arguments]
        done = subprocess.run(command, env=host.environment(), capture_output=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        # "% time, seconds, usecs/call, calls, errors, syscall": the last line has the totals.
        return int(log.read_text().splitlines()[-1].split()[3])

    def test_an_idle_push_looks_at_each_file_and_reads_none(self, host: Host, tmp_path: Path) -> None:
        time.sleep(2.1)  # what changed within two seconds is read once more
        host.push()
        few = self.count(host, tmp_path, "push")
        host.watch(make_tree(tmp_path / "more", FILES))
        host.push()
        time.sleep(2.1)
        host.push()
        assert (self.count(host, tmp_path, "push") - few) / FILES <= 2

    def test_a_first_push_looks_for_no_log(self, bar: Host, tmp_path: Path) -> None:
        counts = []
        for name, files in (("few", 1), ("more", 1 + FILES)):
            host = bar.stage.host(name)
            host.watch(make_tree(tmp_path / name, files))
            counts.append(self.count(host, tmp_path, "push"))
        assert (counts[1] - counts[0]) / FILES <= 25

    @pytest.mark.usefixtures("as_root")
    def test_projects_cost_nothing_where_a_file_system_has_none(self, bar: Host, tmp_path: Path) -> None:
        memory = tmp_path / "memory"
        memory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", memory], check=True)
        try:
            bar.watch(make_tree(memory / "tree", FILES))
            log = tmp_path / "ioctl.txt"
            command = ["strace", "-f", "-e", "trace=ioctl", "-o", log, PACHA, "push"]
            done = subprocess.run(command, env=bar.environment(), capture_output=True, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stderr.decode()[-2000:]
            assert log.read_text().count("FS_IOC_GETFLAGS") >= FILES
            assert log.read_text().count("FS_IOC_FSGETXATTR") <= 10, "more than the folders above"
        finally:
            subprocess.run(["umount", "--lazy", memory], check=True)

    def test_a_rebuild_writes_each_file_once(self, host: Host, tmp_path: Path) -> None:
        """What is loaded depends on how quickly the files come: some hundreds of calls, which are to weigh little."""
        few = self.count(host, tmp_path, "rebuild", "bar", "--yes", "--target", tmp_path / "one")
        host.watch(make_tree(tmp_path / "more", MANY))
        host.push()
        both = self.count(host, tmp_path, "rebuild", "bar", "--yes", "--target", tmp_path / "two")
        assert (both - few) / MANY <= 21


MANY = 4000  #: files that take more memory than what a command takes for itself varies


class TestMemory:
    """Bytes that each file more takes, at the peak of the process that takes most."""

    @staticmethod
    def peaks(host: Host, tree: Path, target: Path) -> dict[str, int]:
        """The most memory (bytes) of a push of all of ``tree``, an idle one, one of a file, and a rebuild."""
        host.watch(tree)
        time.sleep(2.1)  # what changed within two seconds is read once more
        found = {"first": measured(host, "push").memory, "idle": measured(host, "push").memory}
        change(tree)
        found["one file"] = measured(host, "push").memory
        found["rebuild"] = measured(host, "rebuild", "bar", "--yes", "--target", target).memory
        return found

    def test_of_pushes_and_a_rebuild(self, bar: Host, tmp_path: Path) -> None:
        bar.configure(host="local", hosts_path=str(tmp_path / "hosts"))
        few = self.peaks(bar, make_tree(tmp_path / "few", FILES), tmp_path / "one")
        many = self.peaks(bar, make_tree(tmp_path / "many", MANY), tmp_path / "two")
        each = {word: (many[word] - few[word]) // MANY for word in few}
        most = {"first": 3000, "idle": 500, "one file": 1750, "rebuild": 1950}
        assert not {word: count for word, count in each.items() if count > most[word]}
