"""Real rpm and dnf in a view of this system, with a repository of tiny packages: what they have is what is recorded."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.debian import CHECKOUT, in_a_view

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("as_root"),
    pytest.mark.skipif(
        not (
            all(map(shutil.which, ("dnf", "rpmbuild", "createrepo_c")))
            and os.path.exists("/etc/dnf/plugins/local.conf")
        ),
        reason="Debian's dnf with its plugins, rpm and createrepo-c",
    ),
]

#: A system of dnf: nothing is installed as far as rpm knows, and dpkg knows of nothing.
_SYSTEM = r"""
rm -rf /var/lib/dpkg /srv /etc/yum.repos.d /etc/dnf/dnf.conf
mkdir -p /srv/master /srv/tree /srv/repo /etc/rpm /etc/yum.repos.d /usr/share/own
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
printf '[main]\nmodule_platform_id=platform:el9\n' >/etc/dnf/dnf.conf
sed -i s/^enabled.*/enabled=0/ /etc/dnf/plugins/local.conf
# The plugin of Debian 12 calls a function by a name that libdnf does not have there.
sed -i s/ConfigParser_substitute/ConfigParser.substitute/ /usr/lib/python3/dist-packages/dnf-plugins/post-*.py
cat >/etc/yum.repos.d/own.repo <<END
[own]
name=own
baseurl=file:///srv/repo
gpgcheck=0
gpgkey=file:///usr/share/own/KEY
END
echo key >/usr/share/own/KEY
export PACHA_STATE=/srv/state PACHA_CONFIG=/srv/pacha.conf
printf '[DEFAULT]\npacha.host = local\npacha.hosts.path = /srv/master\npacha.hostname = bar\n' >/srv/pacha.conf
ln -sf {pacha} /usr/local/bin/pacha
quietly() {{ "$@" >/tmp/said 2>&1 || {{ cat /tmp/said >&2; exit 1; }}; }}
make() {{  # name version folder requirement
    cat >/tmp/spec <<END
Name: $1
Version: $2
Release: 1
Summary: x
License: MIT
BuildArch: noarch
${{4:-}}
%description
x
%files
END
    quietly rpmbuild -bb --define "_topdir /tmp/top" --define "_rpmdir $3" /tmp/spec
}}
dnf_do() {{ quietly dnf -y --releasever=9 "$@"; }}
"""
_LIFE = r"""
make own-needed 1.0 /srv/repo
make own-top 1.0 /srv/repo 'Requires: own-needed'
make own-held 1.0 /srv/repo
make own-vanishing 1.0 /srv/repo
make own-local 1.0 /tmp/local
createrepo_c -q /srv/repo
dnf_do install own-top own-held own-vanishing
dnf_do --nogpgcheck install /tmp/local/noarch/own-local-1.0-1.noarch.rpm
dnf_do versionlock add own-held
rm /srv/repo/noarch/own-vanishing*
createrepo_c -q /srv/repo
dnf_do makecache --refresh
pacha watch /srv/tree >/dev/null
pacha push >/dev/null
pacha push
pacha packages --json >/srv/list
make own-needed 1.1 /srv/repo
createrepo_c -q /srv/repo
install -D -m 755 {examples}/package-hook /etc/pacha/package-hook
install -D -m 644 {examples}/package-hook.action /etc/dnf/plugins/post-transaction-actions.d/package-hook.action
dnf_do --refresh upgrade own-needed
pacha log -p -n 1
mv /srv/master /srv/gone; touch /srv/master
dnf_do remove own-vanishing
grep package-hook: /tmp/said
rpm -q own-vanishing || :
echo =====; cat /srv/list; echo =====
dnf_do --installroot=/srv/root --setopt=reposdir=/etc/yum.repos.d install own-held
mkdir -p /srv/root/etc/yum.repos.d
{python} - <<END
from pathlib import Path
from pacha.machine.packages import rpm
before, found = rpm.fingerprint(Path("/srv/root")), rpm.capture(Path("/srv/root"))
print(found.packages, before == rpm.fingerprint(Path("/srv/root")))
END
"""


@pytest.mark.timeout(300)
def test_what_dnf_has_is_what_is_recorded_and_its_hook_pushes(tmp_path: Path) -> None:
    script = (_SYSTEM + _LIFE).format(
        pacha=Path(sys.prefix, "bin/pacha"), python=sys.executable, examples=CHECKOUT / "docs/examples/packages"
    )
    done = in_a_view(tmp_path, script)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    head, listed, elsewhere = done.stdout.split("=====\n")
    assert "nothing was pushed after the work of dnf, which goes on" in head
    assert "nothing changed" in head and "after dnf" in head and "own-needed 1.0-1 -> 1.1-1\n" in head, head
    assert "package own-vanishing is not installed" in head
    loaded = json.loads(listed)
    flags = {one["name"]: (one["version"], one["manual"], one["held"], one["available"]) for one in loaded["packages"]}
    assert flags == {
        "own-held": ("1.0-1", True, True, True),
        "own-local": ("1.0-1", True, False, False),
        "own-needed": ("1.0-1", False, False, True),
        "own-top": ("1.0-1", True, False, True),
        "own-vanishing": ("1.0-1", True, False, False),
    }
    paths = {file["path"] for file in loaded["files"]}
    assert {"/etc/yum.repos.d/own.repo", "/usr/share/own/KEY", "/etc/dnf/plugins/versionlock.list"} <= paths
    assert "name='own-held'" in elsewhere and elsewhere.rstrip().endswith("True")
