"""A push that nobody watches is reported; who stops one is told how things stand."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pacha.cli.notify import reported
from pacha.config.parse import parse_config
from pacha.errors import Signalled
from pacha.host.context import Context
from pacha.store.state import StateFolder


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), Signalled(signal.SIGINT)])
def test_who_stops_a_push_is_told_what_becomes_of_it(raised: BaseException) -> None:
    here = Context(parse_config("[DEFAULT]\n"), StateFolder(Path("/nonexistent")))
    with pytest.raises(Signalled) as caught, reported(here, by_schedule=False):
        raise raised
    assert caught.value.number == signal.SIGINT and "the next push" in caught.value.state
