"""Copy the next repositories while an earlier one is unpacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from pacha.wire.scp import Received, Totals

_AT_ONCE = 3  #: a connection carries seven streams
#: Copies a repository by its name, and tells of each file.
Copy = Callable[[str, Callable[[Received], None]], Totals]
_Told = SimpleQueue["Received | None"]


@dataclass(slots=True)
class Prefetcher:
    """Copies that were begun, by the repository's name: what has come of each so far, and what it came to."""

    copy: Copy
    _coming: dict[str, tuple[_Told, Future[Totals]]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Begin with ``names``, in this order, if there are more than one."""
        if len(names) > 1:
            self._pool = ThreadPoolExecutor(_AT_ONCE)
            for name in names:
                told = _Told()
                self._coming[name] = (told, self._pool.submit(self._run, name, told))

    def wait_for(self, name: str, on_file: Callable[[Received], None]) -> Totals:
        """Wait for a copy, telling of its files in order, or make it now. Raises what ``copy`` raises."""
        if name not in self._coming:
            return self.copy(name, on_file)
        told, totals = self._coming[name]
        while (received := told.get()) is not None:
            on_file(received)
        del self._coming[name]  # only now: one that still comes has to be hung up on
        return totals.result()

    def stop(self, hang_up: Callable[[], None]) -> None:
        """End those that still come; it takes no longer than to ``hang_up``."""
        if self._pool is not None:
            if self._coming:
                hang_up()
            self._pool.shutdown(cancel_futures=True)

    def _run(self, name: str, told: _Told) -> Totals:
        try:
            return self.copy(name, told.put)
        finally:
            told.put(None)
