"""What is sent to the masters at the end of a push: nothing where nobody is reached."""

from __future__ import annotations

import pytest

from pacha.push.deliver import deliver
from pacha.store.snapshot import Snapshot
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_nothing_is_delivered_where_nobody_is_reached(bar: Standalone) -> None:
    assert not deliver(bar.session(), Snapshot(), "ab")
