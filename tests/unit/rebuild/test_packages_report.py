"""What the report says of packages."""

from __future__ import annotations

import json

from pacha.rebuild import report_json
from pacha.rebuild.install_packages import InstalledPackages
from pacha.rebuild.packages_report import done_json, packages_json, packages_words
from tests.support.package_plans import package, planned
from tests.support.proposing import proposal, rebuilt

DONE = InstalledPackages(installed=(("nginx", "1.2"),), sources=("/usr/share/keyrings/k.gpg",))


def test_a_sentence_only_where_something_was_installed() -> None:
    assert packages_words(None) == ""
    assert "1" in packages_words(DONE) and "pacha undo" in packages_words(DONE)


def test_programs_get_all_of_it() -> None:
    told = json.loads(json.dumps(packages_json(planned(package("nginx", manual=True)))))
    assert told["missing"] == [
        {"name": "nginx", "architecture": "amd64", "version": "1", "manual": True, "held": False, "available": True}
    ]
    assert [one["name"] for one in told["not_to_be_had"] + told["of_hardware"]] == ["own", "grub-pc"]
    assert told["commands"] == ["apt-get update", "apt-get install nginx"] and told["extra"] == ["new"]
    assert told["sources"][0]["unsigned"] and told["keys"][0]["sha256"] == "ab" * 32
    assert done_json(DONE) == {"installed": [{"name": "nginx", "version": "1.2"}], "sources": [*DONE.sources]}


def test_it_is_part_of_the_report() -> None:
    whole = report_json.as_json(rebuilt(proposal(packages=planned(package("nginx"))), packages=DONE))
    assert whole["packages"]["policy"] == "list" and whole["packages_done"]["installed"]
    nothing = report_json.as_json(rebuilt(proposal()))
    assert nothing["packages"] is None and nothing["packages_done"] is None
