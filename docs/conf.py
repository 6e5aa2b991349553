"""Sphinx's settings: ``sphinx-build -W -b html docs docs/_build``."""

from __future__ import annotations

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent / "pacha" / "__init__.py"
_VERSION = re.search(r'^__version__ = "([^"]+)"$', _PACKAGE.read_text("utf-8"), re.MULTILINE)

project = "Pacha"
author = "the authors of Pacha"
project_copyright = "the authors of Pacha, GPL-2.0-or-later"
release = _VERSION.group(1) if _VERSION else ""
version = release

html_theme = "alabaster"
html_theme_options = {"description": "Keeps what matters on a host, and puts it back", "fixed_sidebar": True}
exclude_patterns = ["_build"]
highlight_language = "none"
nitpicky = True

man_pages = [
    ("commands", "pacha", "keeps folders of hosts under version on a master, and rebuilds the host", "", 1),
    ("configuration", "pacha.conf", "configuration of Pacha", "", 5),
]
man_show_urls = False
