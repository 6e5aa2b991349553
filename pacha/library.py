"""Libraries that promise nothing about what Pacha uses of them: one that has moved on is named, and nothing is guessed.

Mercurial's modules and some attributes of paramiko are not a public interface. Where a name is missing, or takes other
arguments, that is a fault of the installation: neither damage of a repository nor a lost line.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from pacha.errors import PachaError

#: What Pacha works with, as in setup.py.
SUPPORTED = {"Mercurial": ">=7.2,<8", "paramiko": ">=5,<6"}
_ACCESS = ("__getattr__", "__getattribute__")  #: what passes on the name that somebody else asked for


class UnknownLibraryError(PachaError):
    """The installed ``library`` is not as Pacha knows it."""

    def __init__(self, library: str, missing: str) -> None:
        wanted, version = SUPPORTED[library], _version(library)
        super().__init__(
            f"This Pacha does not know {library} {version}.",
            missing,
            f"Install one that it knows: pip install '{library.lower()}{wanted}'",
            code="library-not-known",
            subject=library,
        )


def _version(library: str) -> str:
    from importlib import metadata  # 20 ms that only this error needs

    try:
        return metadata.version(library.lower())
    except metadata.PackageNotFoundError:
        return "of this machine"


def require(library: str, owner: Any, name: str, *parameters: str) -> Any:
    """The attribute ``name`` of ``owner``, which takes at least the ``parameters``. Raises UnknownLibraryError."""
    label = f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"
    try:
        attribute = getattr(owner, name)
        known = inspect.signature(attribute).parameters if parameters else {}
    except (AttributeError, ImportError, TypeError, ValueError) as error:
        raise UnknownLibraryError(library, f"{label} is missing or is something else") from error
    if absent := [parameter for parameter in parameters if parameter not in known]:
        raise UnknownLibraryError(library, f"{label} does not take {', '.join(absent)}")
    return attribute


def require_use(library: str, function: Callable[..., Any], name: str) -> None:
    """Raise UnknownLibraryError unless ``function`` reads ``name``: a copy under another name would not be replaced."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or name not in code.co_names:
        label = getattr(function, "__qualname__", repr(function))
        raise UnknownLibraryError(library, f"{label} does not use {name}")


def has_moved(failure: BaseException, package: str) -> bool:
    """Whether ``failure`` says that a library is not as ``package``, which calls it, knows it.

    Hostile data makes libraries raise the same kinds of error. But only a library that moved misses a module, a name,
    or an attribute of a module, of a class or of what ``package`` itself gave it; or refuses what ``package`` calls.
    """
    if isinstance(failure, ImportError):
        return True
    if isinstance(failure, NameError):
        return not isinstance(failure, UnboundLocalError)
    ours = _raised_in(failure.__traceback__, package)
    if isinstance(failure, AttributeError):
        owner = failure.obj
        if isinstance(owner, ModuleType | type) or _is_of(owner, package):
            return True
        return ours and type(owner).__module__ != builtins.__name__
    return isinstance(failure, TypeError) and ours


def _is_of(value: object, package: str) -> bool:
    return f"{type(value).__module__}.".startswith(f"{package}.")


def _raised_in(trace: TracebackType | None, package: str) -> bool:
    """Whether the innermost function, but for those that look a name up for it, is one of ``package``."""
    innermost = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_name not in _ACCESS:
            innermost = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return f"{innermost}.".startswith(f"{package}.")
