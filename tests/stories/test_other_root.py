"""A rebuild from a rescue system: the root of the machine that comes back is mounted below a folder."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.machine import Machine, Person
from tests.support.trees import run

pytestmark = pytest.mark.usefixtures("as_root")
CRON, APP, HERS = 61010, 61011, 61012
#: By name in the root that is mounted: (owner, group, mode). There cron and app have each other's numbers.
BEFORE = {
    "/mnt/usr/bin/crontab": (0, APP, "2755"),
    "/mnt/usr/bin/capable": (CRON, 0, "0755"),
    "/mnt/var/spool": (CRON, APP, "1730"),
    "/mnt/var/spool/link": (CRON, APP, "0777"),
    "/mnt/var/by acl": (0, 0, "0664"),
    "/mnt/disk/file": (APP, CRON, "0640"),
}
#: What is the rescue system's own, whatever it is called below the mounted root.
RESCUE = {
    "/opt/tool": (CRON, APP, "2755"),
    "/lending/file": (APP, CRON, "0640"),
    "/run/socket": (APP, APP, "0644"),
}
#: How the rescue system has mounted it: the root itself with a disk in it, and folders that are only lent.
MOUNTS = (
    "mount --bind /mnt /mnt && mount -t tmpfs tmpfs /mnt/disk && touch /mnt/disk/file && "
    f"chown {APP}:{CRON} /mnt/disk/file && chmod 640 /mnt/disk/file && mount -t tmpfs tmpfs /run && "
    f"touch /run/file && chown {APP} /run/file && mount --bind /run /mnt/run && "
    "mount --bind /lending /mnt/lent && "
)


#: pacha that kills itself before it gives /mnt/var/spool/link to another owner: it has done so for /mnt/usr.
KILLED = """
import os, signal, sys
import pacha.__main__ as command
real = os.chown
def chown(reference, *numbers, **named):
    if isinstance(reference, bytes) and os.readlink(reference) == b"/mnt/var/spool/link":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(reference, *numbers, **named)
os.chown = chown
command.main(sys.argv[1:])
"""


@pytest.fixture
def rescue(tmp_path: Path) -> Machine:
    """A machine that has bar's snapshot on its master, and another's root below /mnt."""
    made = Machine(tmp_path / "root", [Person("cron", CRON), Person("app", APP)])
    made.write("/srv/data/of app", APP, APP)
    made.pacha("watch", "/etc", "/srv/data")
    made.pacha("push")
    made.lose("/srv")
    made.populate(Person("ann", CRON), Person("bob", APP))
    for path, (uid, gid, mode) in RESCUE.items():
        made.write(path, uid, gid, int(mode, 8))
    lines = [("root", 0), ("nobody", 65534), ("cron", APP), ("app", CRON)]
    made.write("/mnt/etc/passwd", text="".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for name, number in lines))
    made.write("/mnt/etc/group", text="".join(f"{name}:x:{number}:\n" for name, number in lines))
    made.at("/run").mkdir(exist_ok=True)
    for folder in ("run", "lent", "disk", "opt"):
        made.at(f"/mnt/{folder}").mkdir()
    made.write("/mnt/var/spool", *BEFORE["/mnt/var/spool"][:2], 0o1730, folder=True)
    made.at("/mnt/var/spool/link").symlink_to("/opt/tool")
    os.chown(made.at("/mnt/var/spool/link"), CRON, APP, follow_symlinks=False)
    made.at("/mnt/opt/out").symlink_to("/opt")
    made.at("/mnt/opt/up").symlink_to("../../../opt")
    made.write("/mnt/usr/bin/crontab", 0, APP, 0o2755)
    run("setcap", "cap_net_raw+ep", made.write("/mnt/usr/bin/capable", CRON, 0, 0o755))
    run("setfacl", "-m", f"u:{CRON}:r,g:{APP}:rw", made.write("/mnt/var/by acl"))
    return made


def whose(machine: Machine, paths: dict[str, tuple[int, int, str]] = BEFORE) -> dict[str, tuple[int, int, str]]:
    return {path: machine.whose(path) for path in paths if path != "/mnt/disk/file"}


def without_disk(paths: dict[str, tuple[int, int, str]]) -> dict[str, tuple[int, int, str]]:
    return {path: entry for path, entry in paths.items() if path != "/mnt/disk/file"}


def by_name() -> dict[str, tuple[int, int, str]]:
    other = {CRON: APP, APP: CRON}
    return {path: (other.get(uid, uid), other.get(gid, gid), mode) for path, (uid, gid, mode) in BEFORE.items()}


def test_files_of_a_mounted_root_follow_their_names_and_nothing_else_does(rescue: Machine) -> None:
    rebuild = "pacha rebuild bar --yes --target /mnt; echo code $?; stat -c '%n %u %g %a' /mnt/disk/file /run/file"
    done = rescue.run("sh", "-c", f"PATH={sys.prefix}/bin:$PATH; {MOUNTS} {rebuild}").must()
    assert whose(rescue) == without_disk(by_name())
    assert f"/mnt/disk/file {CRON} {APP} 640" in done.out, "a disk of that root, which is mounted in it"
    assert f"/run/file {APP} 0 644" in done.out
    assert whose(rescue, RESCUE) == RESCUE, "what is mounted outside, too, and what links lead to"
    assert b"cap_net_raw=ep" in run("getcap", rescue.at("/mnt/usr/bin/capable"))
    acl = run("getfacl", "-n", "-p", "-c", rescue.at("/mnt/var/by acl")).decode().split()
    assert f"user:{APP}:r--" in acl and f"group:{CRON}:rw-" in acl
    assert rescue.whose("/mnt/srv/data/of app") == (APP, APP, "0644")
    named = [line for line in done.lines if line.startswith("pacha: /mnt/")]
    assert len(named) == 1 and named[0].startswith("pacha: /mnt/lent: its files keep their numbers")
    assert "code 3" in done.out and "6 paths elsewhere to re-own" in done.out

    assert "ann:x:61010" in rescue.at("/etc/passwd").read_text()
    rescue.pacha("undo", code=None)
    assert whose(rescue) == without_disk(BEFORE)
    assert f"cron:x:{APP}" in rescue.at("/mnt/etc/passwd").read_text()


def test_killed_and_run_again(rescue: Machine) -> None:
    """Half of the files have got their new numbers; a rebuild onto this machine does not take that for its own."""
    killed = rescue.run(sys.executable, "-c", KILLED, "rebuild", "bar", "--yes", "--target", "/mnt")
    assert killed.code == -signal.SIGKILL, "it came to its end"
    half = whose(rescue)
    assert half not in (without_disk(by_name()), without_disk(BEFORE)), "it was killed in the midst of it"
    left = rescue.pacha("rebuild", "bar", "--yes", "--target", "/mnt", "--accounts", "leave", code=2)
    assert "interrupted while it changed the owners" in left.err
    rescue.pacha("rebuild", "bar", "--yes", "--target", "/elsewhere")
    assert whose(rescue) == half
    rescue.pacha("rebuild", "bar", "--yes", "--target", "/mnt")
    assert whose(rescue) == without_disk(by_name())
    assert f"cron:x:{CRON}" in rescue.at("/mnt/etc/passwd").read_text()


def test_the_mounted_root_keeps_its_numbers(rescue: Machine) -> None:
    rescue.pacha("rebuild", "bar", "--yes", "--target", "/mnt", "--accounts", "keep")
    assert whose(rescue) == without_disk(BEFORE)
    assert rescue.whose("/mnt/srv/data/of app") == (CRON, CRON, "0644")
    assert f"app:x:{CRON}:{CRON}:" in rescue.at("/mnt/etc/passwd").read_text()


@pytest.mark.parametrize("link", ["/srv", "../../srv"])
def test_a_link_above_what_is_restored_does_not_lead_out(rescue: Machine, link: str) -> None:
    rescue.at("/srv").mkdir(exist_ok=True)
    rescue.at("/mnt/srv").symlink_to(link)
    done = rescue.pacha("rebuild", "bar", "--yes", "--target", "/mnt", code=3)
    assert list(rescue.at("/srv").iterdir()) == []
    assert "pacha: /mnt/srv/data: its directory cannot be reached: a symbolic link on the way leads out" in done.err


def test_a_link_that_stays_below_the_root_is_followed(rescue: Machine) -> None:
    rescue.at("/mnt/big/srv").mkdir(parents=True)
    rescue.at("/mnt/srv").symlink_to("big/../big/srv")
    rescue.pacha("rebuild", "bar", "--yes", "--target", "/mnt")
    assert rescue.whose("/mnt/big/srv/data/of app") == (APP, APP, "0644")


@pytest.mark.parametrize("name", ["passwd", "group"])
@pytest.mark.parametrize("is_folder", [False, True], ids=["link", "folder"])
def test_a_root_whose_accounts_cannot_be_read_is_left_alone(rescue: Machine, name: str, is_folder: bool) -> None:
    """A link there may lead to the rescue system's; without names, setgid programs would be left to strangers."""
    place = rescue.at(f"/mnt/etc/{name}")
    place.unlink()
    if is_folder:
        place.mkdir()
    else:
        place.symlink_to(f"/etc/{name}")
    done = rescue.pacha("rebuild", "bar", "--yes", "--target", "/mnt", code=1)
    assert "The accounts of the machine at /mnt cannot be read." in done.err
    assert (whose(rescue) == without_disk(BEFORE) and not place.is_file()) or place.is_symlink()
