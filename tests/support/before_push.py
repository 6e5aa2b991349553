"""Before-push programs."""

from __future__ import annotations

from pathlib import Path


def program(folder: Path, name: str, text: str, *, mode: int = 0o755) -> Path:
    """Write a program of sh(1) to ``before-push.d`` in ``folder``; return its path."""
    path = folder / "before-push.d" / name
    path.parent.mkdir(mode=0o755, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path
