"""How things stand at a glance, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pacha.errors import ConfigError, PachaError
from pacha.host import overview as module
from pacha.host import watch
from pacha.host.overview import Overview
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def overview(bar: Standalone, **keys: str) -> Overview:
    return module.overview(bar.context(**keys))


def lines(found: Overview) -> Mapping[str, str]:
    assert all(text.isprintable() for line in found.lines for text in line)
    return dict(found.lines)


def steps(found: Overview) -> list[str]:
    return [command for command, _ in found.steps]


def test_without_a_configuration_the_first_step_is_to_write_one() -> None:
    assert steps(module.none())[0] == "pacha init" and module.none().succeeded == 0


@pytest.mark.parametrize(("error", "what"), [(ConfigError, "configured"), (PachaError, "trouble")])
def test_a_fault_is_part_of_the_screen(error: type[PachaError], what: str) -> None:
    found = module.faulty(error("It is wrong.", "why", code="x"))
    assert lines(found) == {what: "It is wrong. why"} and steps(found) == ["pacha doctor"]


def test_a_master_itself_is_told_how_its_hosts_stand(bar: Standalone) -> None:
    assert "pacha hosts" in steps(overview(bar, host=""))


def test_the_next_step_is_the_one_that_is_missing(bar: Standalone) -> None:
    assert "pacha push" in steps(overview(bar))
    bar.context().state.update(succeeded=1e9)
    assert "pacha push" not in steps(overview(bar)) and overview(bar).succeeded == 1e9
    bar.context().state.update(failure="It broke\x1b.")
    assert "pacha push" in steps(overview(bar)) and "It broke" in lines(overview(bar))["last push failed"]
    watch.unwatch(bar.context(), bar.path)
    assert steps(overview(bar))[0].startswith("pacha watch")


def test_what_a_rebuild_left_comes_first(bar: Standalone) -> None:
    bar.context().state.update(succeeded=1e9, owed={b"/a": "absent", b"/b": "absent"})
    assert lines(overview(bar))["owed"].startswith("2 ") and "pacha rebuild bar" in steps(overview(bar))


def test_what_it_says_of_the_host(bar: Standalone) -> None:
    found = lines(overview(bar, host="m.example, n.example"))
    assert (found["host"], found["watched"], found["master"]) == ("bar", str(bar.tree), "m.example, n.example")
    assert found["configured"] == str(bar.top / "pacha.conf")
