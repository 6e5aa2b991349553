"""The file systems that are measured on."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACES = ("tmpfs", "disk")
_SIZE = 24 << 30  #: bytes; the image has holes


@contextmanager
def file_system(place: str) -> Iterator[Path]:
    """A folder on the file system ``place``, one of PLACES.

    The disk is a new ext4, as mkfs(8) makes it, in a file of /var/tmp. The machine's own may be one without a journal:
    there, creating a file takes the longer the more were removed shortly before (``recently_deleted`` in Linux,
    fs/ext4/ialloc.c), and each round removes what the last one made.
    """
    if place == "tmpfs":
        yield Path("/dev/shm")
        return
    with tempfile.TemporaryDirectory(prefix="pacha-speed-", dir="/var/tmp") as folder:
        image, mounted = Path(folder, "image"), Path(folder, "disk")
        image.touch(mode=0o600)
        os.truncate(image, _SIZE)
        Path(folder).chmod(0o755)
        mounted.mkdir()
        # Nothing of making it is left to be done while something is measured.
        now = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", now, image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
        try:
            mounted.chmod(0o755)
            yield mounted
        finally:
            subprocess.run(["umount", mounted], check=True)
