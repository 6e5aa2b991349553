"""Mercurial's own lazy imports, which halve what it costs to start, for a process that has to do with nothing else.

They clash with paramiko's cryptography, so nothing but ``pacha serve`` and ``fetch.worker`` may ask for them.
"""

from __future__ import annotations

import hgdemandimport


def enable() -> None:
    """From now on a module is imported when something of it is first used."""
    hgdemandimport.enable()
