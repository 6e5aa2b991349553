"""The commands of the documents, run as they are written: two machines that share nothing but a wire.

Each machine is a view of this system of its own (an overlay): what is written there is thrown away. They are in a
network of their own, where the master's sshd listens on port 22. ``PACHA_ROOTS=FOLDER`` runs all of it on pristine
systems in FOLDER, too, with what the page says on installing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.forced import Door
from tests.support.sshd import require_sshd

CHECKOUT = Path(__file__).resolve().parents[2]
ROOTS = os.environ.get("PACHA_ROOTS", "")
PAGES = ["docs/getting-started.rst", "README.rst"]
#: What needs a network, and is not run on this system. test_packages.py installs here.
_INSTALLING = "apt-get update\n"
_CONFIGURATION = "cat >/etc/pacha/pacha.conf <<'END'\n{text}END\n"
_LOGIN = "ssh bar_user@master.example.com"
_TITLE = re.compile(r"^On the (host|master): .*\n-{3,}$", re.MULTILINE)

#: sh(1): a word runs at one of the machines. $1 a folder, $2 the door or wheels, $3 the system's root.
_ON = r"""
set -eu
top=$1 door=$2 system=$3
on() {
    echo "== $1" >&2
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        SSH_ASKPASS=/root/yes SSH_ASKPASS_REQUIRE=force DEBIAN_FRONTEND=noninteractive \
        PIP_NO_INDEX=1 PIP_FIND_LINKS=/tmp/wheels \
        chroot "$top/$1" sh -euxc "cd $2; $3" </dev/null
}
"""
#: The two machines, in a mount namespace.
_VIEWS = r"""
mount -t tmpfs pacha-test "$top"
for machine in master host; do
    root=$top/$machine
    mkdir "$root" "$root.upper" "$root.work"
    cp -a "$system/etc" "$root.upper" || true  # other tests add accounts all the time
    setfattr -n trusted.overlay.opaque -v y "$root.upper/etc"
    mount -t overlay -o "lowerdir=$system,upperdir=$root.upper,workdir=$root.work" pacha-test "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs pacha-test "$root/run"
    mount -t tmpfs pacha-test "$root/tmp"
    mkdir -p "$root/run/sshd"
    rm -rf "$root/var/lib/pacha" "$root/etc/pacha" "$root/pacha" "$root/home/bar_user" "$root/opt/foo"
    rm -f "$root/etc/cron.d/pacha"
    mount -t tmpfs -o mode=0700 pacha-test "$root/root"
    mkdir -m 700 "$root/root/.ssh"
    mkdir -p "$root/etc/pacha"
done
"""
#: This system's Pacha on both.
_DOOR = r"""
for machine in master host; do
    mkdir -p "$top/$machine$door"
    mount --rbind "$door" "$top/$machine$door"
    ln -sf "$door/pacha" "$top/$machine/usr/local/bin/pacha"
done
"""
#: Before the network is left: the packages that the page names, and a copy of "this folder" with what pip takes.
_FETCHED = r"""
for machine in master host; do
    cp /etc/resolv.conf "$top/$machine/etc"
    cp -a "$door" "$top/$machine/tmp/wheels"
    mkdir "$top/$machine/root/folder"
    git archive HEAD | tar -x -C "$top/$machine/root/folder"
    on $machine / "apt-get -q update; apt-get -q -y install $packages"
done
"""
#: In a network of their own.
_APART = r"""
for machine in master host; do
    etc=$top/$machine/etc
    sed -i /^bar_user/d "$etc/passwd" "$etc/shadow" "$etc/group" "$etc/gshadow"
    echo 127.0.0.1 localhost master.example.com >"$etc/hosts"
done
mkdir -p "$top/host/opt/foo"
echo 'level = 3' >"$top/host/opt/foo/app.conf"
chmod 640 "$top/host/opt/foo/app.conf"
echo 'umask 027' >"$top/host/root/.bashrc"
printf '#!/bin/sh\necho yes\n' >"$top/host/root/yes"
chmod 755 "$top/host/root/yes"
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))'
chroot "$top/master" ssh-keygen -A >/dev/null
chroot "$top/master" /usr/sbin/sshd -E /tmp/sshd.log -o ListenAddress=127.0.0.1
cp /bin/sleep "$top/host/usr/local/sbin/crond"  # so that something seems to run the job
chroot "$top/host" /usr/local/sbin/crond 600 </dev/null >/dev/null 2>&1 &
trap 'test $? = 0 || cat "$top/master/tmp/sshd.log" >&2' EXIT
"""


@dataclass(frozen=True)
class Step:
    """What is typed at one of the two machines."""

    machine: str
    text: str


def steps(page: str) -> Iterator[Step]:
    """The blocks of the page's sections that say where they are typed."""
    parts = _TITLE.split(page)
    for machine, text in zip(parts[1::2], parts[2::2], strict=True):
        section = re.split(r"^.+\n-{3,}$", text, flags=re.MULTILINE)[0]
        for block in re.findall(r"::\n\n((?:    .*\n|\n)+)", section):
            lines = re.sub(r"^    ", "", block.strip("\n"), flags=re.MULTILINE) + "\n"
            if lines.startswith("[DEFAULT]"):
                lines = _CONFIGURATION.format(text=lines)
            yield Step(machine, lines)


def played(page: str) -> str:
    """The page's steps as a script. The public key is carried from the host to the master, as the page says."""
    carry = 'cp "$top/host/root/.ssh/id_ed25519.pub" "$top/master/root/bar.pub"\n'
    made = _ON + _APART
    for step in steps(page):
        text = step.text.replace(f"{_LOGIN}\n", f"{_LOGIN} && exit 1 || test $? = 11\n").replace("'", "'\\''")
        made += f"on {step.machine} /root '{text}'\n" + (carry if "ssh-keygen -t" in text else "")
    return made + "on host /root 'pacha demo --ssh'\n"  # with a Pacha in the path that sshd gives


def play(first: str, then: str, *arguments: Path) -> str:
    """Run the script ``first``, and ``then`` in a network of its own; returns stdout."""
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]
    command += [f'{_ON}{first}\nexec unshare --net sh -c "$THEN" sh "$@"', "sh", *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, "THEN": then}, cwd=CHECKOUT, capture_output=True, text=True, timeout=880
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert "Permission denied: this key is for Pacha alone" in said
    assert "Traceback" not in said
    assert re.search(r"^bar +fresh ", done.stdout, re.MULTILINE), done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", by_turns(PAGES, 2))
def test_the_commands_of_a_page_do_what_it_says(page: str, door: Door, tmp_path: Path) -> None:
    require_sshd()
    text = (CHECKOUT / page).read_text("utf-8")
    out = play(_VIEWS + _DOOR, played(text), tmp_path, door.folder, Path("/"))
    if "getting" in page:
        assert re.search(r"^All [0-9]+ paths are as in the last snapshot\.$", out, re.MULTILINE)


def fetch_wheels(folder: Path, root: Path) -> Path:
    """What pip(1) on the system in ``root`` takes for Pacha."""
    (library,) = (root / "usr/lib").glob("python3.*[0-9]")
    wanted = [name for name in requires("pacha") or () if "extra ==" not in name]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder)]
    subprocess.run([*command, "--python-version", library.name[6:], *wanted, "setuptools", "wheel"], check=True)
    return folder


def systems() -> Iterator[Path]:
    """The pristine systems whose Python is new enough, made where they are not there."""
    for suite in ("bookworm", "trixie"):
        root = Path(ROOTS) / f"{suite}-python"
        if not root.exists():
            command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3", suite, str(root) + ".new"]
            subprocess.run(command, check=True)
            Path(f"{root}.new").rename(root)
        yield root


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not ROOTS, reason="PACHA_ROOTS=FOLDER runs the pages on pristine systems in it")
@pytest.mark.parametrize("page", PAGES)
def test_they_do_on_a_pristine_system(page: str, tmp_path: Path) -> None:
    text = (CHECKOUT / page).read_text("utf-8")
    (block,) = (found for found in re.findall(r"::\n\n((?:    .*\n)+)", text) if _INSTALLING in found)
    named = re.findall(r"^    apt-get install ([^#\n]*)", text, re.MULTILINE)
    install = re.sub(r"^    (?:apt-get update)?", "", block, flags=re.MULTILINE)
    first = f"packages='{' '.join(named)}'\n{_VIEWS}{_FETCHED}"
    first += "".join(f"on {machine} /root/folder '{install}'\n" for machine in ("host", "master"))
    for root in systems():
        folder = tmp_path / root.name
        folder.mkdir()
        play(first, played(text), folder, fetch_wheels(tmp_path / f"{root.name}-wheels", root), root)
