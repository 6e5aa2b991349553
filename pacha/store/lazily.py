"""Mercurial's own lazy imports, for a process that only serves a repository: they halve what it costs to start.

They clash with paramiko's cryptography, so nothing but ``pacha serve`` may ask for them.
"""

from __future__ import annotations

import hgdemandimport


def enable() -> None:
    """From now on a module is imported when something of it is first used."""
    hgdemandimport.enable()
