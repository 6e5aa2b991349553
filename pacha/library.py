"""Name a library whose internals have changed, instead of guessing.

Mercurial's modules and some attributes of paramiko are not a public interface. A name that is missing there, or takes
other arguments, is a fault of the installation: neither a damaged repository nor a lost connection.
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
_ACCESS = ("__getattr__", "__getattribute__")  #: these look up a name for their caller


class UnknownLibraryError(PachaError):
    """The installed ``library`` differs from those that Pacha knows."""

    def __init__(self, library: str, missing: str) -> None:
        supported, version = SUPPORTED[library], _version(library)
        super().__init__(
            f"This Pacha does not know {library} {version}.",
            missing,
            f"Install one that it knows: pip install '{library.lower()}{supported}'",
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
    """Return the attribute ``name`` of ``owner``. Raises UnknownLibraryError unless it takes ``parameters``."""
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
    """Raise UnknownLibraryError unless ``function`` reads the global ``name``, so that replacing it has an effect."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or name not in code.co_names:
        label = getattr(function, "__qualname__", repr(function))
        raise UnknownLibraryError(library, f"{label} does not use {name}")


def has_moved(failure: BaseException, package: str) -> bool:
    """Whether ``failure`` shows that a library has changed since ``package``, which calls it, was written.

    Hostile data makes libraries raise the same kinds of error. But only in a changed library is a module or a name
    missing, or an attribute of a module, of a class or of an object of ``package``; or does a call by ``package`` fail.
    """
    if isinstance(failure, ImportError):
        return True
    if isinstance(failure, NameError):
        return not isinstance(failure, UnboundLocalError)
    is_own_call = _raised_in(failure.__traceback__, package)
    if isinstance(failure, AttributeError):
        owner = failure.obj
        if isinstance(owner, ModuleType | type) or f"{type(owner).__module__}.".startswith(f"{package}."):
            return True
        return is_own_call and type(owner).__module__ != builtins.__name__
    return isinstance(failure, TypeError) and is_own_call


def _raised_in(trace: TracebackType | None, package: str) -> bool:
    """Whether the innermost function of ``trace``, without attribute look-ups, belongs to ``package``."""
    innermost = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_name not in _ACCESS:
            innermost = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return f"{innermost}.".startswith(f"{package}.")
