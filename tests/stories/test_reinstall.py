"""A host's packages come back on a fresh system before its files: one command, no question, nothing started."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.debian_systems import Archive, Debian, make_base, run
from tests.support.reinstalling import INSTALL, cut_off, killed, measured, silent

SWITCH = os.environ.get("PACHA_REINSTALL", "")
pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not SWITCH, reason="PACHA_REINSTALL=1 makes Debian systems (mmdebstrap, dpkg-dev, gnupg)"),
]
ASKS = {
    "templates": "Template: asker/colour\nType: string\nDefault: grey\nDescription: Which colour?\n",
    "config": "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_input high asker/colour || :\ndb_go || :\n",
    "postinst": "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\n"
    "db_get asker/colour\nmkdir -p /var/lib/asker\necho $RET >/var/lib/asker/colour\n",
}
SERVES = "#!/bin/sh\nset -e\nid served >/dev/null 2>&1 || useradd -r served\ninstall -d -o served /var/lib/served\n"
SERVES += "[ ! -x /usr/sbin/policy-rc.d ] || { /usr/sbin/policy-rc.d || exit 0; }\ntouch /var/lib/served/started\n"


@dataclass
class Scene:
    """The host, a fresh machine and the archive."""

    bar: Debian
    fresh: Debian
    archive: Archive
    base: Path


@pytest.fixture(name="base", scope="module")
def base_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(Path(SWITCH) if SWITCH.startswith("/") else tmp_path_factory.mktemp("base") / "base.tar")


@pytest.fixture(name="scene")
def made_scene(tmp_path: Path, base: Path, as_root: None) -> Iterator[Scene]:
    tmp_path.chmod(0o755)
    archive = Archive.made(tmp_path / "archive")
    archive.add("main", "tool", "1.0", depends="tool-data")
    archive.add("main", "tool-data", "1.0")
    for version in ("1.0", "2.0"):
        archive.add("main", "kept", version)
    archive.add("main", "asker", "1.0", depends="debconf", **ASKS)
    archive.add("main", "g++-like", "1.0")
    archive.add("main", "linux-image-9", "1.0")
    archive.add("third", "served", "1.0", conf="as shipped\n", postinst=SERVES)
    gone = archive.add("third", "gone", "1.0")
    own = archive.add("own", "own-made", "1.0")
    for area in ("main", "third"):
        archive.publish(area)
    bar = Debian.unpacked(base, tmp_path / "bar", tmp_path / "master")
    fresh = Debian.unpacked(base, tmp_path / "fresh", tmp_path / "master")
    furnish(bar, archive, own)
    gone.unlink()
    archive.publish("third")
    fresh.said("useradd", "-r", "-u", "998", "somebody")
    try:
        yield Scene(bar, fresh, archive, base)
    finally:
        archive.close()


def furnish(bar: Debian, archive: Archive, own: Path) -> None:
    """Install everything on the host, and live a little."""
    bar.write("/usr/share/keyrings/third.gpg", (archive.folder / "key.gpg").read_bytes())
    bar.write("/etc/apt/keyrings/main.asc", (archive.folder / "key.asc").read_bytes())
    line = f"deb [signed-by=/etc/apt/keyrings/main.asc] {archive.address}/main ./\n"
    bar.write("/etc/apt/sources.list", line)
    stanza = f"Types: deb\nURIs: {archive.address}/third\nSuites: ./\nSigned-By: /usr/share/keyrings/third.gpg\n"
    bar.write("/etc/apt/sources.list.d/third.sources", stanza)
    bar.write("/root/own.deb", own.read_bytes())
    bar.said("sh", "-c", "echo asker asker/colour string red | debconf-set-selections")
    bar.said("apt-get", "update")
    names = ["tool", "kept=1.0", "asker", "served", "gone", "g++-like", "linux-image-9"]
    bar.said("apt-get", "install", "-y", *names)
    bar.said("dpkg", "-i", "/root/own.deb")
    bar.said("apt-mark", "hold", "kept")
    bar.write("/etc/served.conf", "as bar has it\n")
    bar.said("dpkg-statoverride", "--update", "--add", "served", "root", "0640", "/usr/share/served")
    bar.said("useradd", "-u", "1234", "-m", "ann")
    bar.pacha("watch", "/etc")
    bar.pacha("push")


def picture(system: Debian) -> dict[str, object]:
    """What apt and dpkg say of a system."""
    words = ("showmanual", "showauto", "showhold")
    return {
        **{word: sorted(system.said("apt-mark", word).split()) for word in words},
        "sources": system.read("/etc/apt/sources.list") + system.read("/etc/apt/sources.list.d/third.sources"),
        "key": run("sha256sum", f"{system.root}/usr/share/keyrings/third.gpg").split()[0],
        "overrides": system.said("dpkg-statoverride", "--list"),
    }


def test_the_packages_come_back_with_everything(scene: Scene) -> None:
    bar, fresh = scene.bar, scene.fresh
    planned = fresh.pacha("rebuild", "bar", "--dry-run")
    assert "--packages install" in planned.out and "apt-get install" in planned.out
    done = fresh.pacha(*INSTALL, code=3)
    assert "gone, own-made" in done.err and "linux-image-9" in done.out, done.err + done.out
    was, now = picture(bar), picture(fresh)
    for word in ("showmanual", "showauto"):
        was[word] = [name for name in was[word] if name not in ("gone", "own-made", "linux-image-9")]  # type: ignore[attr-defined]
    assert now == was
    assert fresh.read("/usr/share/kept") == "1.0\n"
    assert fresh.read("/var/lib/asker/colour") == "red\n"
    assert fresh.read("/etc/served.conf") == "as bar has it\n"
    assert not fresh.read("/usr/sbin/policy-rc.d") and not Path(f"{fresh.root}/var/lib/served/started").exists()
    assert fresh.said("stat", "-c", "%U %a", "/var/lib/served", "/usr/share/served") == "served 755\nserved 640\n"
    assert "the home of 'ann' is not there" in done.err
    assert fresh.said("dpkg", "--audit") == ""
    assert not Path(f"{fresh.root}/var/cache/pacha/packages").exists()
    assert list(Path(f"{fresh.root}/state/rebuilds").glob("*/packages.txt"))
    fresh.run("mkdir", "/home/ann").must(0)
    again = fresh.pacha(*INSTALL, "--json", code=3)
    assert json.loads(again.out)["packages_done"]["installed"] == []
    assert "packages that it installed stay" in fresh.pacha("undo", "--yes").out


def test_a_dead_source_keeps_only_its_own_away(scene: Scene) -> None:
    shutil.rmtree(scene.archive.folder / "www/third")
    done = scene.fresh.pacha(*INSTALL, "--json", code=3)
    assert "served" not in scene.fresh.said("dpkg-query", "-W", "-f", "${Package} ")
    told = json.loads(done.out)
    assert {one["name"] for one in told["packages_done"]["installed"]} >= {"tool", "tool-data", "kept", "asker"}
    reasons = [one["reason"] for one in told["concerns"] if one["path"] == "packages"]
    assert any("a source failed" in reason for reason in reasons) and any("served" in reason for reason in reasons)


def test_what_is_this_machines_is_not_removed_for_it(scene: Scene) -> None:
    bar, fresh, archive = scene.bar, scene.fresh, scene.archive
    archive.add("main", "rival", "1.0", depends="tool-data\nConflicts: present")
    present = archive.add("own", "present", "1.0")
    archive.publish("main")
    bar.said("apt-get", "update")
    bar.said("apt-get", "install", "-y", "rival")
    bar.pacha("push")
    fresh.write("/root/present.deb", present.read_bytes())
    fresh.said("dpkg", "-i", "/root/present.deb")
    done = fresh.pacha(*INSTALL, code=3)
    assert "rival is not installed: present of this machine would be removed for it" in done.err, done
    assert fresh.read("/usr/share/present") and not fresh.read("/usr/share/rival")
    check_complete(scene)


def test_another_release_gets_them_by_name_alone(scene: Scene) -> None:
    fresh, archive = scene.fresh, scene.archive
    fresh.write("/etc/os-release", "ID=debian\nVERSION_ID=13\n")
    fresh.write("/etc/own.asc", (archive.folder / "key.asc").read_bytes())
    fresh.write("/etc/apt/sources.list", f"deb [signed-by=/etc/own.asc] {archive.address}/main ./\n")
    refused = fresh.pacha(*INSTALL, code=1)
    assert "another release" in refused.err and "apt-get install" in refused.out
    assert not fresh.read("/etc/served.conf") and not fresh.read("/usr/share/tool")
    done = fresh.pacha("rebuild", "bar", "--yes", "--packages", "by-name", code=3)
    assert "not to be had: gone, own-made, served" in done.err
    assert fresh.read("/usr/share/tool") == "1.0\n" and fresh.read("/etc/served.conf") == "as bar has it\n"


def etc(system: Debian) -> str:
    """What lies in /etc: its files, their content and their times."""
    listed = run("find", f"{system.root}/etc", "-type", "f", "-exec", "sha256sum", "{}", "+")
    return "\n".join(sorted(listed.splitlines()))


def check_complete(scene: Scene) -> None:
    """The fresh machine has everything now."""
    assert scene.fresh.said("dpkg", "--audit") == "" and not scene.fresh.read("/usr/sbin/policy-rc.d")
    assert scene.fresh.read("/etc/served.conf") == "as bar has it\n"
    assert scene.fresh.read("/var/lib/asker/colour") == "red\n" and scene.fresh.read("/usr/share/kept") == "1.0\n"
    assert picture(scene.fresh)["showhold"] == ["kept"]
    assert not Path(f"{scene.fresh.root}/var/lib/served/started").exists()


def test_a_mirror_that_is_cut_off_changes_nothing_until_all_is_here(scene: Scene) -> None:
    cut_off(scene.fresh, scene.archive, etc)
    check_complete(scene)


def test_a_mirror_that_says_nothing_is_given_up_and_named(scene: Scene) -> None:
    silent(scene.fresh, scene.archive, etc, 60)


def test_a_package_that_a_kill_left_half_unpacked_is_installed_anew(scene: Scene) -> None:
    """To apt it is the newest version already, and nothing is to be done."""
    stanza = "Package: g++-like\nStatus: install reinstreq half-installed\nPriority: optional\nSection: admin\n"
    stanza += "Maintainer: own <own@example.com>\nArchitecture: all\nVersion: 1.0\n"
    scene.fresh.write("/var/lib/dpkg/status", f"{scene.fresh.read('/var/lib/dpkg/status')}\n{stanza}\n")
    scene.fresh.write("/var/cache/pacha/packages/installing", "")
    assert "g++-like" in scene.fresh.said("dpkg", "--audit")
    scene.fresh.pacha(*INSTALL, code=3)
    check_complete(scene)


def test_a_rebuild_that_is_killed_ends_well_when_it_is_run_again(scene: Scene, tmp_path: Path) -> None:
    kills = int(os.environ.get("PACHA_KILLS") or 5)
    whole = measured(Debian.unpacked(scene.base, tmp_path / "measured", scene.bar.master))
    touched = 0
    for number in range(kills):
        machine = Debian.unpacked(scene.base, tmp_path / "killed", scene.bar.master)
        before = etc(machine)
        killed(machine, etc, whole * (number + 0.5) / kills)
        touched += etc(machine) != before
        again = Scene(scene.bar, machine, scene.archive, scene.base)
        machine.pacha(*INSTALL, code=3)
        check_complete(again)
        shutil.rmtree(machine.root)
    assert kills < 5 or touched
