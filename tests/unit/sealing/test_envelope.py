"""The form of what is sealed; what comes from elsewhere is not believed."""

from __future__ import annotations

import json

import pytest

from pacha.sealing.envelope import Envelope, unwrap, wrap


@pytest.mark.parametrize("content", [b"", b"\n", b"pacha-sealed 1\n[]\n", bytes(range(256)) * 10])
def test_it_comes_back(content: bytes) -> None:
    for attributes in ((), ((b"user.a", b"\0\xff"), (b"trusted.b", b""))):
        assert unwrap(wrap(Envelope(attributes, content))) == Envelope(attributes, content)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"pacha-sealed 2\n[]\n",
        b"pacha-sealed 1\n[]",
        b"pacha-sealed 1\n{}x\n",
        b"pacha-sealed 1\n[[1, 2]]\n",
        b"pacha-sealed 1\n" + b"[" * 100_000 + b"\n",
        b"pacha-sealed 1\n[] " + b" " * (2 << 20) + b"\n",
        b"pacha-sealed 1\n" + json.dumps([[b"security.capability".hex(), ""]]).encode() + b"\n",
        b"pacha-sealed 1\n" + json.dumps([[b"user.\0".hex(), ""]]).encode() + b"\n",
        b'pacha-sealed 1\n[["zz", "00"]]\n',
    ],
)
def test_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not in a form|attributes"):
        unwrap(data)
