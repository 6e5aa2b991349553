"""What is done after the files, as lines and as JSON."""

from __future__ import annotations

from pacha.rebuild import services_report
from pacha.rebuild.options import ServicePolicy
from pacha.rebuild.services import PlannedServices, ServiceTask, ServiceTaskKind, TaskRun

ALIASES = ServiceTask(kind=ServiceTaskKind.MAKE, about="the mail aliases", argv=("newaliases",))
CHECK = ServiceTask(kind=ServiceTaskKind.CHECK, about="/etc/nginx", argv=("nginx", "-t"))
NGINX = ServiceTask(
    kind=ServiceTaskKind.UNIT, about="nginx.service", argv=("systemctl", "restart", "--", "nginx.service")
)
GRUB = ServiceTask(kind=ServiceTaskKind.MAKE, about="the boot menu", argv=("update-grub",))


def unit(name: str, *, is_left: bool = False) -> ServiceTask:
    argv = ("systemctl", "restart", "--", name)
    return ServiceTask(kind=ServiceTaskKind.UNIT, about=name, argv=argv, is_left=is_left)


def test_the_plan() -> None:
    plan = PlannedServices(policy=ServicePolicy.RESTART, tasks=(ALIASES, CHECK, NGINX), listed=(GRUB,))
    assert list(services_report.plan_lines(plan)) == [
        "Made anew after the files: the mail aliases.",
        "Tested after the files: /etc/nginx.",
        "Restarted after the files: nginx.service.",
        "Left to you:",
        "         update-grub",
    ]
    assert services_report.plan_json(plan)["tasks"][0] == {
        "kind": "make",
        "about": "the mail aliases",
        "command": ["newaliases"],
    }


def test_a_list() -> None:
    plan = PlannedServices(policy=ServicePolicy.LIST, listed=(NGINX,), failure="no\x1banswer")
    assert list(services_report.plan_lines(plan)) == [
        "Which services obey the files cannot be told: no\\x1banswer.",
        "For you to do after the files:",
        "         systemctl restart -- nginx.service",
    ]


def test_units_are_grouped() -> None:
    own = [unit(name) for name in ("cron.service", "nginx.service")]
    left = [unit(name, is_left=True) for name in ("networking.service", "systemd-a.service", "systemd-b.socket")]
    plan = PlannedServices(policy=ServicePolicy.LIST, listed=(ALIASES, CHECK, *own, GRUB, *left))
    assert list(services_report.plan_lines(plan)) == [
        "For you to do after the files:",
        "         newaliases",
        "         nginx -t",
        "         systemctl restart -- cron.service nginx.service",
        "         update-grub",
        "Not restarted, as that may cut you off; a reboot does it: networking.service and 2 of systemd itself.",
    ]
    only = PlannedServices(policy=ServicePolicy.RESTART, listed=(*left[1:],))
    (line,) = services_report.plan_lines(only)
    assert line.endswith("a reboot does it: 2 of systemd itself.")
    assert len(services_report.plan_json(plan)["listed"]) == len(plan.listed)


def test_the_result() -> None:
    runs = (TaskRun(task=ALIASES), TaskRun(task=CHECK, failure="exit code 1", said="bad"), TaskRun(task=NGINX))
    assert services_report.summary_line(runs) == (
        "After the files: 1 made anew, 1 restarted, failed or left: /etc/nginx."
    )
    assert services_report.summary_line(()) == ""
    assert services_report.run_line(runs[1]) == "after    nginx -t: exit code 1 | bad"
    assert services_report.run_json(runs[1])["said"] == "bad"
