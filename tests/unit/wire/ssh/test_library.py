"""A paramiko that Pacha does not know is named; a connection that breaks is not mistaken for one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pacha.library import UnknownLibraryError
from pacha.wire.ssh import library


def raised_by(source: str, module: str) -> Exception:
    """What ``source`` raises as a line of ``module``."""
    try:
        exec(source, {"__name__": module, "paramiko": library.paramiko})
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("source", ["paramiko.Transport.gone", "paramiko.Channel(1, 2, 3)", "gone"])
def test_one_that_has_moved_is_named(source: str) -> None:
    with pytest.raises(UnknownLibraryError) as caught:
        library.refuse_unknown(raised_by(source, "pacha.wire.ssh.channel"))
    assert "paramiko" in caught.value.message


@pytest.mark.parametrize("failure", [EOFError(), OSError("lost"), library.paramiko.SSHException("no")])
def test_a_line_that_breaks_is_none(failure: Exception) -> None:
    library.refuse_unknown(failure)
    library.refuse_unknown(raised_by("None.gone", "paramiko.transport"))


@pytest.mark.slow
def test_invoke_is_not_imported_and_can_be() -> None:
    lines = "import sys\nfrom pacha.wire.ssh import library\nassert 'invoke' not in sys.modules\nimport invoke\n"
    subprocess.run([sys.executable, "-c", lines], check=True)
