"""Whose history there is, here and on the master."""

from __future__ import annotations

import pytest

from pacha.errors import PachaError, UsageError
from pacha.history.access import open_history
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_where_there_is_no_history_that_is_said(bar: Standalone) -> None:
    with pytest.raises(PachaError) as here, open_history(bar.context()):
        pass
    with pytest.raises(PachaError) as there, open_history(bar.context(), "foo"):
        pass
    with pytest.raises(UsageError), open_history(bar.context(), "../foo"):
        pass
    assert (here.value.code, there.value.code) == ("no-history", "host-history-missing")
