"""Real apt and dpkg in a view of this system: what they have is what is recorded, and the hook stops nothing."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.debian import CHECKOUT, Repository, in_a_view

pytestmark = [
    pytest.mark.usefixtures("as_root"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not all(map(shutil.which, ("apt-get", "dpkg-deb", "gpg"))), reason="Debian's apt and gpg"),
]
EXAMPLES = CHECKOUT / "docs/examples/packages"

#: Nothing is installed, as far as dpkg knows. The only source is the repository; its key lies in no folder of apt's.
_SOURCE = """
rm -rf /var/lib/dpkg /var/lib/apt/extended_states
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers
touch /var/lib/dpkg/status
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/* /var/lib/apt/lists/*
install -D -m 644 {folder}/key.gpg /usr/share/keyrings/own-test.gpg
printf 'Types: deb\\nURIs: file:{folder}\\nSuites: ./\\nSigned-By: /usr/share/keyrings/own-test.gpg\\n' \\
    >/etc/apt/sources.list.d/own.sources
printf 'Package: *\\nPin: origin own\\nPin-Priority: 700\\n' >/etc/apt/preferences.d/own
rm -rf /srv; mkdir /srv
export DEBIAN_FRONTEND=noninteractive PACHA_STATE=/srv/state PACHA_CONFIG=/srv/pacha.conf
printf '[DEFAULT]\\npacha.host = local\\npacha.hosts.path = /srv/master\\npacha.hostname = bar\\n' >/srv/pacha.conf
mkdir /srv/master /srv/tree
ln -sf {pacha} /usr/local/bin/pacha
apt_get() {{ apt-get -qq -y "$@" >/tmp/apt 2>&1 || {{ cat /tmp/apt >&2; exit 1; }}; }}
apt_get update
"""


@pytest.fixture(name="repository")
def signed(open_folder: Path) -> Repository:
    repository = Repository(open_folder)  # the user _apt reads there
    repository.make_key()
    return repository


def run(repository: Repository, tmp_path: Path, script: str) -> str:
    (tmp_path / "view").mkdir()
    start = _SOURCE.format(folder=repository.folder, pacha=Path(sys.prefix, "bin/pacha"))
    done = in_a_view(tmp_path / "view", start + script, repository.folder)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_what_apt_has_is_what_is_recorded(repository: Repository, tmp_path: Path) -> None:
    old, new = repository.deb("own-held"), repository.deb("own-held", "1.1")
    needed, vanishing = repository.deb("own-needed"), repository.deb("own-vanishing", "2:1.0-1")
    top = repository.deb("own-top", Depends="own-needed")
    repository.publish(old, needed, vanishing, top)
    before = repository.folder / "before"
    before.mkdir()
    for name in ("Packages", "Release", "InRelease"):
        shutil.copy(repository.folder / name, before / name)
    local = repository.deb("own-local", "0~beta1")
    repository.publish(new, needed, top)
    after = repository.folder / "after"
    after.mkdir()
    for name in ("Packages", "Release", "InRelease"):
        shutil.copy(repository.folder / name, after / name)
        shutil.copy(before / name, repository.folder / name)
    said = run(
        repository,
        tmp_path,
        f"""
apt_get install own-held own-top own-vanishing
dpkg -i {local} >/dev/null
apt-mark hold own-held >/dev/null
cp {after}/* {repository.folder}
apt_get update
pacha watch /srv/tree >/dev/null
pacha push >/dev/null
pacha push
pacha packages --json >/tmp/list
dpkg-query -W -f '${{Package}} ${{Architecture}} ${{Version}} ${{db:Status-Status}}\\n' >/tmp/dpkg
apt_get --allow-change-held-packages install own-held
apt_get purge own-vanishing
pacha push -m changed
pacha diff -c "$(date '+%Y-%m-%d %H:%M:%S')"
pacha log -n 1
for mark in manual auto hold; do printf '%s ' $mark; apt-mark show$mark | tr '\\n' ' '; echo; done
echo; cat /tmp/dpkg; echo; cat /tmp/list
""",
    )
    head, dpkg, listed = said.split("\n\n", 2)
    assert "nothing changed" in head and "  2 packages  " in head, head
    assert "own-held 1.0 -> 1.1, not held\nown-vanishing 2:1.0-1 removed\n" in head
    found: dict[str, Any] = json.loads(listed)
    by_name = {package["name"]: package for package in found["packages"]}
    rows = {tuple(line.split()[:3]) for line in dpkg.splitlines() if line.endswith(" installed")}
    assert {(one["name"], one["architecture"], one["version"]) for one in found["packages"]} == rows
    marks = {line.split()[0]: set(line.split()[1:]) for line in head.splitlines() if line[:5] in ("manua", "auto ")}
    manual = {one["name"] for one in found["packages"] if one["manual"]} - {"own-vanishing"}
    assert marks["manual"] == manual and "own-needed" in marks["auto"]
    assert {one["name"] for one in found["packages"] if one["held"]} == {"own-held"}
    available = {name for name, one in by_name.items() if one["available"]}
    assert available == {"own-held", "own-needed", "own-top"}, "of the source, in any version"
    files = {file["path"]: file for file in found["files"]}
    assert {"/usr/share/keyrings/own-test.gpg", "/etc/apt/preferences.d/own"} < files.keys()
    assert "base64" in files["/usr/share/keyrings/own-test.gpg"]
    assert files["/etc/apt/sources.list.d/own.sources"]["text"].startswith("Types: deb\n")


def test_the_hook_pushes_before_and_after_and_never_stops_apt(repository: Repository, tmp_path: Path) -> None:
    names = [f"own-{number}" for number in range(5)]
    repository.publish(*(repository.deb(name) for name in names))
    said = run(
        repository,
        tmp_path,
        f"""
apt_get install own-4
install -D -m 755 {EXAMPLES}/package-hook /etc/pacha/package-hook
install -m 644 {EXAMPLES}/80pacha /etc/apt/apt.conf.d/80pacha
pacha watch /srv/tree >/dev/null
pacha push >/dev/null
date >/srv/tree/file
apt_get install own-0 own-1
pacha log
mv /srv/master /srv/gone; touch /srv/master  # it cannot be pushed
apt_get install own-2
cat /tmp/apt
printf '#!/bin/sh\\nsleep 1000\\n' >/tmp/pacha; chmod 755 /tmp/pacha; ln -sf /tmp/pacha /usr/local/bin/pacha
export PACHA_HOOK_SECONDS=1
apt_get install own-3
rm /usr/local/bin/pacha /etc/pacha/package-hook
apt_get purge own-4
dpkg-query -W -f '${{Package}} ' 'own-*'; ls /run
""",
    )
    assert "by root" in said and "after apt: own-0 own-1" in said and "before apt: own-0 own-1" in said
    log = [line for line in said.splitlines() if "apt: own-0" in line]
    assert "2 packages" in log[0] and "1 added" in log[1], said
    assert "nothing was pushed before the work of apt, which goes on" in said
    assert said.rstrip().endswith(" ".join(names[:4])), "what apt was told to do is done, and nothing is left in /run"
