"""Masters of other kinds: old and new Mercurials, small systems, shells. ``PACHA_ROOTS=FOLDER`` prints the table.

That of docs/access.rst is what this printed. The systems are made in FOLDER by mmdebstrap(1) where they are not there.
Each is the root of an account of a real sshd (``ChrootDirectory``), below a layer that is thrown away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.rebuilding import make_tree
from tests.support.sshd import Account, Sshd, admitted
from tests.support.stage import Host, Stage, changed, on_stage, own, picture, small_disk

ROOTS = os.environ.get("PACHA_ROOTS", "")
CHECKOUT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(not ROOTS, reason="PACHA_ROOTS=FOLDER tries masters of other kinds in it"),
    pytest.mark.timeout(900),
]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A system (a suite of Debian, ``busybox`` or none: this machine's own) and the account's shell on it."""

    label: str
    suite: str = ""
    mercurial: bool = True  #: the system's own; else Pacha's folder (dist/) called hg
    shell: str = "/bin/sh"
    start_up: str = ""  #: lines of ~/.bashrc


KINDS = (
    Kind(label="Debian 11", suite="bullseye"),
    Kind(label="Debian 12", suite="bookworm"),
    Kind(label="Debian 13", suite="trixie"),
    Kind(label="Debian 11, Pacha's hg alone", suite="bullseye", mercurial=False),
    Kind(label="busybox, no C library, Pacha's hg", suite="busybox", mercurial=False),
    Kind(label="bash, noisy on stderr", shell="/bin/bash", start_up="echo 'mesg: ttyname failed' >&2\n"),
    Kind(label="bash, 0.2 s to start", shell="/bin/bash", start_up="sleep 0.2\n"),
    Kind(label="rbash", shell="/bin/rbash"),
    Kind(label="csh", shell="/bin/tcsh"),
    Kind(label="fish", shell="/usr/bin/fish"),
)


def system(kind: Kind) -> Path:
    """The folder of its system, made where it is not there."""
    root = Path(ROOTS) / f"{kind.suite}{'-hg' if kind.mercurial else '-scp'}"
    if root.exists():
        return root
    made = root.with_suffix(".new")
    if kind.suite == "busybox":
        _busybox(made)
    else:
        packages = "openssh-client,mercurial" if kind.mercurial else "openssh-client"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", kind.suite, made]
        subprocess.run(command, check=True)
    return made.rename(root)


def _busybox(root: Path) -> None:
    """busybox(1), and scp with the libraries that it is linked with, in a folder where nothing else looks for them."""
    own_folder = root / "opt/scp"
    for folder in (root / "bin", root / "dev", root / "etc", own_folder):
        folder.mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    subprocess.run(["chroot", root, "/bin/busybox", "--install", "-s", "/bin"], check=True)
    linked = subprocess.run(["ldd", "/usr/bin/scp"], capture_output=True, text=True, check=True).stdout
    for library in ("/usr/bin/scp", *(word for word in linked.split() if word.startswith("/"))):
        shutil.copy(library, own_folder)
    (root / "bin/scp").write_text('#!/bin/sh\ncd /opt/scp && exec ./ld-*.so.* --library-path . ./scp "$@"\n')
    (root / "bin/scp").chmod(0o755)
    subprocess.run(["mknod", "-m", "666", root / "dev/null", "c", "1", "3"], check=True)


@contextmanager
def view(kind: Kind, account: Account, place: Path) -> Iterator[Path]:
    """Its system at ``place``, with the account in it and /pacha for its hosts; all of that is thrown away."""
    with small_disk(place, "600m") as disk:
        for name in ("upper", "work", "root"):
            (disk / name).mkdir()
        root = disk / "root"
        layers = f"lowerdir={system(kind)},upperdir={disk}/upper,workdir={disk}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "pacha-test", root], check=True)
        try:
            with open(root / "etc/passwd", "a") as passwd:
                passwd.write(f"{account.name}:x:{account.uid}:{account.gid}::{account.home}:{kind.shell}\n")
            for folder in (root / "pacha/hosts/bar", root / str(account.home)[1:]):
                folder.mkdir(parents=True)
                folder.chmod(0o700)
                os.chown(folder, account.uid, account.gid)
            if not kind.mercurial:
                (archive,) = (CHECKOUT / "dist").glob("pacha-*-x86_64.tar.gz")
                (root / "opt").mkdir(exist_ok=True)
                subprocess.run(["tar", "-xzf", archive, "-C", root / "opt"], check=True)
                (root / "bin/hg").symlink_to("/opt/pacha/bin/hg")
            yield root
        finally:
            subprocess.run(["umount", "--lazy", root], check=True)


def story(host: Host) -> tuple[float, str]:
    """A first push, one of a change, a rebuild beside; the seconds of the first, and what doctor says of programs."""
    tree = make_tree(host.stage.folder / "opt" / "foo")
    host.watch(tree)
    began = time.monotonic()
    host.push()
    seconds = time.monotonic() - began
    (tree / "one").write_text("changed\n")
    host.push()
    told = host.pacha("doctor").out
    host.forget()
    host.rebuild("--target", host.stage.folder / "out")
    assert changed(picture(tree), picture(Path(f"{host.stage.folder}/out{tree}"))) == []
    programs = [line.partition("programs")[2].strip() for line in told.splitlines() if "programs" in line.split()[:2]]
    return seconds, programs[0]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.label)
def master(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kind, Stage]]:
    """A master of each kind."""
    kind, name = request.param, own("pacha-kind")
    place = Path(tempfile.mkdtemp(prefix="pacha-kind-", dir="/run"))  # sshd wants no folder above that others write
    apart = [f"Match User {name}", f"ChrootDirectory {place}/root"] if kind.suite else []
    with (
        Sshd(tmp_path_factory.mktemp("kinds") / "sshd", extra=apart) as server,
        admitted(server, name, kind.shell) as account,
        view(kind, account, place) if kind.suite else nullcontext(),
        on_stage(server, account) as stage,
    ):
        (account.home / ".bashrc").write_text(kind.start_up)
        yield kind, stage
    place.rmdir()


def test_it_takes_pushes_and_gives_them_back(master: tuple[Kind, Stage], capsys: pytest.CaptureFixture[str]) -> None:
    kind, stage = master
    host = stage.host("bar", added=not kind.suite)
    if kind.suite:
        host.configure(hosts_path="/pacha/hosts")
    seconds, programs = story(host)
    with capsys.disabled():
        print(f"\n{kind.label}|{programs}|{seconds:.1f} s|as it was")
