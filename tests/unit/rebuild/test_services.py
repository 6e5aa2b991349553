"""After the files: what is planned, in which order, and that a configuration that fails its test restarts nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacha.machine import config_checks, generators, selinux, units
from pacha.machine.units import Unit
from pacha.rebuild import services
from pacha.rebuild.options import ServicePolicy
from pacha.rebuild.services import PlannedServices, ServiceTask, ServiceTaskKind
from pacha.restore.plan import Action, Plan
from tests.support.proposing import step

CHANGED = frozenset([b"/etc/nginx/nginx.conf", b"/etc/aliases", b"/etc/default/grub", b"/etc/systemd/system/a.service"])


@pytest.fixture(name="programs")
def programs_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Its programs are those in a folder; it runs systemd with nginx and a network service."""
    folder = tmp_path / "sbin"
    folder.mkdir()
    for name in ("nginx", "newaliases", "update-grub", "systemctl", "restorecon"):
        program(folder, name, f'echo "{name} $*" >> {tmp_path}/log')

    def find(name: str) -> str:
        return str(folder / name) if (folder / name).exists() else ""

    for module in (generators, config_checks, units, selinux, services):
        monkeypatch.setattr(module, "find_program", find)
    monkeypatch.setattr(units, "runs_systemd", lambda: True)
    every = [Unit(name=f"{name}.service", is_enabled=True, is_active=True) for name in ("networking", "nginx", "ssh")]
    monkeypatch.setattr(units, "concerned", lambda changed, installed=(), known=(): every)
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def planned(policy: ServicePolicy = ServicePolicy.RESTART) -> PlannedServices:
    found = services.plan(CHANGED, policy, labels=True)
    assert found is not None
    return found


def test_the_order_and_what_is_left_to_a_person(programs: Path) -> None:
    plan = planned()
    assert [task.argv for task in plan.tasks] == [
        ("newaliases",),
        ("systemctl", "daemon-reload"),
        ("nginx", "-t", "-q"),
        ("systemctl", "restart", "--", "nginx.service"),
        ("systemctl", "reload", "--", "ssh.service"),
    ]
    assert [task.argv for task in plan.listed] == [
        ("update-grub",),
        ("systemctl", "restart", "--", "networking.service"),
    ]


def test_a_list_runs_nothing(programs: Path, tmp_path: Path) -> None:
    plan = planned(ServicePolicy.LIST)
    assert plan.tasks == () and len(plan.listed) == 7 and services.run(plan, tmp_path, lambda task: None, planned) == ()
    assert services.plan(CHANGED, ServicePolicy.NONE, labels=True) is None
    assert services.plan(frozenset(), ServicePolicy.RESTART, labels=True) is None


def test_all_of_it_is_run_in_order(programs: Path, tmp_path: Path) -> None:
    told: list[ServiceTask] = []
    runs = services.run(planned(), tmp_path, told.append, planned)
    assert [run.failure for run in runs] == [""] * 5 and told == list(planned().tasks)
    assert (tmp_path / "log").read_text().splitlines() == [
        "newaliases ",
        "systemctl daemon-reload",
        "nginx -t -q",
        "systemctl restart -- nginx.service",
        "systemctl reload -- ssh.service",
    ]


def test_a_configuration_that_fails_its_test_is_named_and_not_obeyed(programs: Path, tmp_path: Path) -> None:
    program(programs, "nginx", "echo noise; echo 'unknown directive in \x1b[31m' >&2; exit 1")
    runs = services.run(planned(), tmp_path, lambda task: None, planned)
    checked, nginx, ssh = runs[2:]
    assert (checked.failure, checked.said) == ("exit code 1", "noise / unknown directive in \\x1b[31m")
    assert checked.concern is not None and checked.concern.path == b"/etc/nginx"
    assert nginx.failure == "not done, as its configuration does not pass its test" and not ssh.failure
    assert "restart" not in (tmp_path / "log").read_text()


def test_what_a_test_does_not_see_itself_fails_it_too(programs: Path, tmp_path: Path) -> None:
    plan = planned()
    tasks = [replace(one, also=lambda path: f"{Path(path).name}: no") if one.units else one for one in plan.tasks]
    told = replace(plan, tasks=tuple(tasks))
    _, _, checked, nginx, _ = services.run(told, tmp_path, lambda task: None, lambda: told)
    assert checked.failure == "nginx: no" and nginx.failure.startswith("not done")


def test_one_that_does_not_restart_stops_none_of_the_others(programs: Path, tmp_path: Path) -> None:
    program(programs, "systemctl", 'case "$*" in *nginx*) exit 5;; esac')
    runs = services.run(planned(), tmp_path, lambda task: None, planned)
    assert [run.failure for run in runs[-2:]] == ["exit code 5", ""]
    concern = runs[-2].concern
    assert concern is not None and concern.reason == "systemctl restart -- nginx.service: exit code 5"


def test_what_failed_is_looked_at_again_by_the_next_rebuild(programs: Path, tmp_path: Path) -> None:
    program(programs, "nginx", "exit 1")
    program(programs, "newaliases", "exit 1")
    owed = services.owed(services.run(planned(), tmp_path, lambda task: None, planned))
    assert owed == ("/etc/aliases", "/etc/nginx", "nginx.service")
    again = services.plan((), ServicePolicy.RESTART, labels=True, owed=owed)
    assert again is not None and {"newaliases", "nginx"} <= {task.argv[0] for task in again.tasks}
    program(programs, "nginx", "exit 0")
    program(programs, "newaliases", "exit 0")
    assert services.owed(services.run(again, tmp_path, lambda task: None, lambda: again)) == ()


def test_units_are_asked_for_once_systemd_has_read_them_again(programs: Path, tmp_path: Path) -> None:
    own = ServiceTask(kind=ServiceTaskKind.UNIT, about="own.service", argv=("systemctl", "restart", "own.service"))

    def plan_again() -> PlannedServices:
        assert (tmp_path / "log").read_text().splitlines()[-1] == "systemctl daemon-reload"
        return replace(planned(), tasks=(*planned().tasks, own))

    runs = services.run(planned(), tmp_path, lambda task: None, plan_again)
    assert [run.task.about for run in runs].count("the units of systemd") == 1 and runs[-1].task == own
    assert [run.task.about for run in runs].count("nginx.service") == 1


def test_a_test_finds_the_folder_that_its_service_would_make(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run/sshd"
    program(programs, "nginx", f"test -d {folder}")
    tasks = [replace(one, folders=(str(folder), "/nowhere")) if one.units else one for one in planned().tasks]
    told = replace(planned(), tasks=tuple(tasks))
    assert not any(run.failure for run in services.run(told, tmp_path, lambda task: None, lambda: told))
    assert folder.stat().st_mode & 0o777 == 0o755


def test_labels_come_first_where_a_policy_is_in_force(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selinux, "is_active", lambda: True)
    assert planned().tasks[0].kind is ServiceTaskKind.LABEL and planned().tasks[0].argv[0] == "restorecon"
    plan = services.plan(CHANGED, ServicePolicy.RESTART, labels=False)
    assert plan is not None and plan.tasks[0].kind is ServiceTaskKind.MAKE


def test_what_cannot_be_asked_is_said(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*asked: object) -> list[Unit]:
        raise TimeoutError("no end within 30 seconds")

    monkeypatch.setattr(units, "concerned", hang)
    plan = planned()
    assert plan.failure == "no end within 30 seconds"
    [unknown] = [run for run in services.run(plan, tmp_path, lambda task: None, planned) if run.failure]
    assert unknown.failure == plan.failure and unknown.concern is not None


def test_every_source_lies_where_it_is_looked_for() -> None:
    rows = (*generators.GENERATORS, *config_checks.CHECKS)
    assert all(source.startswith(services._CONFIGURATION) for row in rows for source in row.sources)
    assert units.OWN.startswith(services._CONFIGURATION)


def test_only_what_is_put_back_counts() -> None:
    steps = [step(action, b"/etc/" + action.value.encode()) for action in Action]
    changed = services.changed_paths(Plan(steps=tuple(steps), roots=(b"/etc",)))
    assert changed == {b"/etc/create", b"/etc/replace"}
