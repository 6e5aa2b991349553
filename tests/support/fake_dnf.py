"""Programs that look like dnf and rpm, in a folder of the test's own: they tell what they were asked."""

from __future__ import annotations

from tests.support.fake_apt import FakeApt


class FakeDnf(FakeApt):
    """The folder with the programs; ``asked`` is what they were called with."""

    NAMES = ("dnf", "rpm", "update-alternatives")

    @property
    def asked(self) -> list[str]:
        """The command lines so far, without the settings of dnf."""
        return [" ".join(word for word in line.split(" ") if not word.startswith("--setopt=")) for line in self.lines()]
