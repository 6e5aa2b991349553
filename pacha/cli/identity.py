"""The option --identity: files with what opens sealed contents. A passphrase is asked for on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from pacha.errors import UsageError, cause
from pacha.sealing import age
from pacha.sealing.age import LARGEST_IDENTITY, SealIdentities
from pacha.text import printable

IDENTITY_OPTION = click.option(
    "--identity",
    "identities",
    multiple=True,
    metavar="FILE",
    help="What opens sealed files: of age-keygen or an SSH private key; - is stdin.",
)


def read_identities(files: Sequence[str]) -> SealIdentities:
    """The identities in ``files`` ("-": standard input). Raises UsageError, ConfigError if pyrage is missing."""
    texts: tuple[bytes, ...] = ()
    for file in files:
        name = "the standard input" if file == "-" else printable(file)
        texts += age.identities(_content(file, name), name, _ask).texts
    return SealIdentities(texts)


def _content(file: str, name: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(LARGEST_IDENTITY)
        with open(os.fsencode(file), "rb") as stream:
            return stream.read(LARGEST_IDENTITY)
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read.", cause(error).lower(), "Name the file of an identity.", code="identity-unreadable"
        ) from None


def _ask(question: str) -> str:
    """The passphrase, from the terminal itself: standard input may be the identity."""
    try:
        return str(click.prompt(question, hide_input=True, err=True))
    except click.Abort:
        raise UsageError(
            "A passphrase is needed for an identity, and none was given.",
            "it is asked for on a terminal",
            "Run this on a terminal, or give an identity without one.",
            code="passphrase-missing",
        ) from None
