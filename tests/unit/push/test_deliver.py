"""What is sent to the masters at the end of a push: nothing where nobody is reached."""

from __future__ import annotations

import json
import shutil

import pytest

from pacha.errors import ExitCode
from pacha.push import push
from pacha.push.deliver import deliver
from pacha.store.snapshot import Snapshot
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_nothing_is_delivered_where_nobody_is_reached(bar: Standalone) -> None:
    assert not deliver(bar.session(), Snapshot(), "ab")


def test_the_heartbeat_says_that_there_is_something_to_look_at(bar: Standalone) -> None:
    bar.push()
    shutil.rmtree(bar.tree)
    assert push.push(bar.context()).concerns
    assert json.loads((bar.master / "last-push").read_text())["exit"] == ExitCode.CONCERNS
