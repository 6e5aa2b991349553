"""Pacha's metadata. The settings of the tools are in pyproject.toml."""

from __future__ import annotations

import re
import shutil
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


def version() -> str:
    """Return the version that pacha/__init__.py states, without importing it."""
    found = re.search(r'^__version__ = "([^"]+)"$', (HERE / "pacha" / "__init__.py").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise RuntimeError("pacha/__init__.py states no __version__")
    return found.group(1)


class BuildAnew(build_py):
    """Build from nothing.

    What an earlier version left in ``build`` would be taken for this one's where copying the folder changed its times.
    """

    def run(self) -> None:
        """Remove that first."""
        shutil.rmtree(Path(self.build_lib, "pacha"), ignore_errors=True)
        super().run()


setup(
    name="pacha",
    version=version(),
    description="Keeps the folders that matter on a host under version on a master, and rebuilds the host",
    long_description=(HERE / "README.rst").read_text("utf-8"),
    long_description_content_type="text/x-rst",
    license="GPL-2.0-or-later",
    python_requires=">=3.10",
    packages=find_packages(include=["pacha", "pacha.*"]),
    data_files=[
        ("share/doc/pacha", [*sorted(glob("docs/*.rst")), "README.rst", "CHANGELOG.rst", "pacha.conf.example"]),
        ("share/doc/pacha/before-push.d", sorted(glob("docs/examples/before-push.d/*"))),
        ("share/doc/pacha/hooks", sorted(glob("docs/examples/hooks/*"))),
        ("share/doc/pacha/packages", sorted(glob("docs/examples/packages/*"))),
    ],
    cmdclass={"build_py": BuildAnew},
    entry_points={"console_scripts": ["pacha = pacha.__main__:main"]},
    install_requires=["click>=8.1", "paramiko>=5,<6", "mercurial>=7.2,<8"],
    extras_require={
        "seal": ["pyrage>=1.2"],
        "test": [
            "build>=1.2",
            "hypothesis>=6",
            "mypy>=1.13",
            "pyrage>=1.2",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "ruff>=0.17,<0.18",  # its formatting changes between minor versions
            "setuptools>=70.1",
            "types-paramiko>=4",
        ],
        "docs": ["sphinx>=7"],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Archiving :: Backup",
        "Topic :: System :: Recovery Tools",
    ],
)
