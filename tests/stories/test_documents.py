"""The commands of the documents, run as they are written: two machines that share nothing but a wire.

Each machine is a view of this system of its own (an overlay): what is written there is thrown away. They are in a
network of their own, where the master's sshd listens on port 22.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.forced import Door
from tests.support.sshd import require_sshd

CHECKOUT = Path(__file__).resolve().parents[2]
#: Not run: it fetches packages. test_packages.py installs.
_INSTALLING = "python3 -m venv"
_CONFIGURATION = "cat >/etc/pacha/pacha.conf <<'END'\n{text}END\n"
_LOGIN = "ssh bar_user@master.example.com"
_TITLE = re.compile(r"^On the (host|master): .*\n-{3,}$", re.MULTILINE)

#: sh(1), in namespaces of its own. $1 a folder, $2 the door.
_STAGE = r"""
set -eu
top=$1 door=$2
mount -t tmpfs pacha-test "$top"
for machine in master host; do
    root=$top/$machine
    mkdir "$root" "$root.upper" "$root.work"
    cp -a /etc "$root.upper" || true  # other tests add accounts all the time
    setfattr -n trusted.overlay.opaque -v y "$root.upper/etc"
    mount -t overlay -o "lowerdir=/,upperdir=$root.upper,workdir=$root.work" pacha-test "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs pacha-test "$root/run"
    mount -t tmpfs pacha-test "$root/tmp"
    mkdir -p "$root/run/sshd" "$root$door"
    mount --rbind "$door" "$root$door"
    ln -sf "$door/pacha" "$root/usr/local/bin/pacha"
    rm -rf "$root/var/lib/pacha" "$root/etc/pacha" "$root/pacha" "$root/home/bar_user" "$root/opt/foo"
    rm -f "$root/etc/cron.d/pacha"
    mount -t tmpfs -o mode=0700 pacha-test "$root/root"
    mkdir -m 700 "$root/root/.ssh"
    mkdir -p "$root/etc/pacha"
    sed -i /^bar_user/d "$root/etc/passwd" "$root/etc/shadow" "$root/etc/group" "$root/etc/gshadow"
    echo 127.0.0.1 localhost master.example.com >"$root/etc/hosts"
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
on() {
    echo "== $1" >&2
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        SSH_ASKPASS=/root/yes SSH_ASKPASS_REQUIRE=force DEBIAN_FRONTEND=noninteractive \
        chroot "$top/$1" sh -euxc "cd /root; $2" </dev/null
}
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
            if not lines.startswith(_INSTALLING):
                yield Step(machine, lines)


def script(page: str) -> str:
    """The page as a script. The public key is carried from the host to the master, as the page says."""
    carry = 'cp "$top/host/root/.ssh/id_ed25519.pub" "$top/master/root/bar.pub"\n'
    made = _STAGE
    for step in steps(page):
        text = step.text.replace(f"{_LOGIN}\n", f"{_LOGIN} && exit 1 || test $? = 11\n").replace("'", "'\\''")
        made += f"on {step.machine} '{text}'\n" + (carry if "ssh-keygen -t" in text else "")
    return made + "on host 'pacha demo --ssh'\n"  # with a Pacha in the path that sshd gives


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", by_turns(["docs/getting-started.rst", "README.rst"], 2))
def test_the_commands_of_a_page_do_what_it_says(page: str, door: Door, tmp_path: Path) -> None:
    require_sshd()
    text = (CHECKOUT / page).read_text("utf-8")
    apart = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    command = [*apart, "sh", "-c", script(text), "sh", tmp_path, door.folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert "Permission denied: this key is for Pacha alone" in said
    assert "Traceback" not in said
    assert re.search(r"^bar +fresh ", done.stdout, re.MULTILINE), done.stdout
    if "getting" in page:
        assert re.search(r"^All [0-9]+ paths are as in the last snapshot\.$", done.stdout, re.MULTILINE)
