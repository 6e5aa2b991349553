"""Which units obey changed files, as dpkg and systemd answer (from real answers), and what is done to each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pacha.machine import units
from pacha.machine.units import Unit
from pacha.system.limited_output import Ended

SEARCH = b"""diversion by dash from: /bin/sh
nginx-common: /etc/nginx
nginx-common: /etc/nginx/sites-enabled
nginx-common: /etc/nginx/nginx.conf
openssh-server, openssh-client: /etc/ssh
openssh-server: /etc/ssh/sshd_config.d
libc6:amd64: /etc/ld.so.conf.d/x.conf
"""
FILES = b"""/.
/lib/systemd/system
/lib/systemd/system/nginx.service
/lib/systemd/system/ssh.service
/lib/systemd/system/ssh@.service
/usr/share/doc/nginx.service
"""
SHOW = """Type=forking
Id=nginx.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=ssh.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=gone.service
LoadState=not-found
ActiveState=inactive
UnitFileState=

Id=masked.service
LoadState=masked
ActiveState=inactive
UnitFileState=masked

Id=gpu-suspend.service
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled
WantedBy=systemd-suspend.service sleep.target
"""


@pytest.fixture(name="asked")
def recorded_answers(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    asked: list[list[str]] = []

    def answer(argv: Sequence[str], environment: object, seconds: float, most: int) -> Ended:
        asked.append(list(argv))
        of_dpkg = {"--search": SEARCH, "--listfiles": FILES}.get(argv[1])
        return Ended(0, SHOW.encode(), b"") if of_dpkg is None else Ended(1, of_dpkg, b"")

    monkeypatch.setattr(units, "read_output", answer)
    monkeypatch.setattr(units, "find_program", lambda name: f"/usr/bin/{name}")
    return asked


def test_the_units_of_the_packages_that_own_what_changed(asked: list[list[str]]) -> None:
    found = units.concerned([b"/etc/nginx/sites-enabled/own", b"/etc/ssh/sshd_config.d/own.conf", b"/srv/x"])
    assert [unit.name for unit in found] == ["gpu-suspend.service", "nginx.service", "ssh.service"]
    search, listing, show = asked
    assert "/etc/nginx/sites-enabled" in search and "/srv/x" not in search and "/etc" not in search
    assert listing[-2:] == ["nginx-common", "openssh-server"]  # /etc/ssh is of two packages: of neither
    assert show[-3:] == ["--", "nginx.service", "ssh.service"]


def test_a_unit_that_is_a_changed_file_or_link_or_has_a_drop_in(asked: list[list[str]]) -> None:
    units.concerned(
        [
            b"/etc/systemd/system/own.service",
            b"/etc/systemd/system/cron.service.d/more.conf",
            b"/etc/systemd/system/multi-user.target.wants/other.service",
            b"/etc/systemd/system/etc-x.mount",
            b"/etc/systemd/system/--evil\n.service",
        ]
    )
    assert {"own.service", "cron.service", "other.service"} <= set(asked[-1])
    assert not any("evil" in word or word.endswith(".mount") for word in asked[-1])


def test_packages_that_were_just_installed(asked: list[list[str]]) -> None:
    assert {"nginx.service", "ssh.service"} <= {unit.name for unit in units.concerned([], ["nginx-common"])}
    assert asked[0][1:] == ["--listfiles", "--", "nginx-common"]


def test_units_that_no_package_tells_of(asked: list[list[str]]) -> None:
    units.concerned([], [], ["sshd.service"])
    assert asked[-1][-1] == "sshd.service"


def test_a_name_with_wildcards_stands_for_itself(asked: list[list[str]]) -> None:
    units.concerned([rb"/etc/x/[a]*?\b"])
    assert r"/etc/x/\[a]\*\?\\b" in asked[0]


def test_a_template_is_asked_for_by_its_instances(asked: list[list[str]]) -> None:
    units.concerned([b"/etc/systemd/system/getty@.service.d/login.conf", b"/etc/systemd/system/own@.service"])
    assert asked[-1][-2:] == ["getty@*.service", "own@*.service"]


def test_what_systemd_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "read_output", lambda *asked: Ended(1, b"", b"noise\nFailed to \x1b[31mconnect\n"))
    with pytest.raises(OSError, match=r"^\[Errno 0\] Failed to .{1,9}connect$"):
        units.concerned([b"/etc/systemd/system/own.service"])


def test_a_unit_of_the_end_or_the_sleep_of_the_machine_is_not_started(asked: list[list[str]]) -> None:
    units_of = {unit.name: unit for unit in units.concerned([], [], ["gpu-suspend.service"])}
    assert units_of["gpu-suspend.service"].action == "" and units_of["nginx.service"].action == "restart"


def test_the_unit_that_pacha_runs_in_is_left(asked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units.Path, "read_text", lambda path, errors: "0::/system.slice/nginx.service\n")
    left = {unit.name for unit in units.concerned([], [], ["nginx.service"]) if unit.is_left}
    assert left == {"nginx.service"}


@pytest.mark.parametrize(
    ("name", "enabled", "active", "action"),
    [
        ("nginx.service", True, True, "restart"),
        ("nginx.service", True, False, "restart"),
        ("nginx.service", False, True, "restart"),
        ("nginx.service", False, False, ""),
        ("ssh.service", True, True, "reload"),
        ("sshd.service", True, False, "reload-or-restart"),
        ("ssh.service", False, False, ""),
    ],
)
def test_what_is_done(name: str, enabled: bool, active: bool, action: str) -> None:
    assert Unit(name=name, is_enabled=enabled, is_active=active).action == action


def test_the_network_and_the_session_are_left() -> None:
    left = ["networking", "NetworkManager", "systemd-networkd", "systemd-logind", "dbus", "getty@tty1", "nftables"]
    left += ["console-getty", "wg-quick@wg0", "openvpn@bar", "rc-local"]
    assert all(Unit(name=f"{name}.service", is_enabled=True, is_active=True).is_left for name in left)
    assert Unit(name="ssh.socket", is_enabled=True, is_active=True).is_left
    assert not any(Unit(name=f"{name}.service", is_enabled=True, is_active=True).is_left for name in ("nginx", "ssh"))
