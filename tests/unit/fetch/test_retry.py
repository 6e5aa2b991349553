"""What failed because of a push, or because a process on the master ended, is fetched again, but not for ever."""

from __future__ import annotations

import pytest

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.fetch.retry import again


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ([UnreachableError("The master gave no answer.", code="master-ended")], 2),
        ([DamagedError("Half of it is there.", code="half"), UnreachableError("No answer.", code="master-ended")], 3),
        ([UnreachableError("The master gave no answer.", code="master-ended")] * 9, 3),
        ([UnreachableError("The line was lost.", code="connection-lost")] * 9, 1),
    ],
)
def test_where_the_process_there_ended_another_one_is_asked(failures: list[PachaError], tries: int) -> None:
    left, tried = list(failures), 0

    def fetch() -> int:
        nonlocal tried
        tried += 1
        if left:
            raise left.pop(0)
        return tried

    if tries > len(failures):
        assert again(fetch) == tries
        return
    with pytest.raises(UnreachableError):
        again(fetch)
    assert tried == tries
