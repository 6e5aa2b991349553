"""The masters of the configuration: what each is, and where a rebuild comes from."""

from __future__ import annotations

from pacha.host import masters
from pacha.store.revision import FORMAT, INIT_OPTIONS
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_a_folder_is_a_master_without_a_connection(bar: Standalone) -> None:
    master = masters.connect(bar.context(), "local")
    assert master.label == str(bar.top / "hosts") and master.probe("bar").changelog is None
    master.make_host("bar")
    master.create("bar", "foo")
    assert (bar.master / "foo/.hg/store/requires").exists()
    master.close()


def test_where_a_rebuild_comes_from_is_whole_lines(bar: Standalone) -> None:
    here, own = masters.whereabouts(bar.context()), masters.whereabouts(bar.context(), own=True)
    assert str(bar.top / "hosts") in here and str(bar.top / "state") in own
    there = masters.whereabouts(bar.context(host="m.example", ssh_user="bar_user", ssh_port="2222"))
    assert "bar_user@m.example" in there and "2222" in there
    for text in (here, own, there):
        assert text.endswith("\n") and all(line for line in text.splitlines())


def test_the_configuration_says_how_to_get_in(bar: Standalone) -> None:
    keys = {"ssh_user": "u", "ssh_port": "2222", "ssh_key": "/k", "ssh_known_hosts": "/known"}
    found = masters.endpoint(bar.context(host="m.example", **keys).config, "m.example")
    assert (found.host, found.user, found.port, found.known_hosts[0]) == ("m.example", "u", 2222, "/known")
    assert found.key_files == ("/k",)


def test_a_new_repository_is_of_our_format_whatever_the_master_is_set_to() -> None:
    words = list(INIT_OPTIONS)
    assert words[::2] == ["--config"] * len(FORMAT) and words[1::2] == [f"{name}={value}" for name, value in FORMAT]
