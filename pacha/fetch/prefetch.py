"""Copy the next repositories while an earlier one is unpacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from pacha.errors import no_more_processes
from pacha.wire.scp import Received, Totals

_AT_ONCE = 3  #: a connection carries seven streams
#: Copies a repository by its name, and calls back for each file.
Copy = Callable[[str, Callable[[Received], None]], Totals]
_Queue = SimpleQueue["Received | None"]


@dataclass(slots=True)
class Prefetcher:
    """The copies under way, by the repository's name: the files received so far, and the result to come."""

    copy: Copy
    _coming: dict[str, tuple[_Queue, Future[Totals]]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Start copying ``names``, in this order, if there are several."""
        if len(names) > 1:
            self._pool = ThreadPoolExecutor(_AT_ONCE)
            for name in names:
                queue = _Queue()
                self._coming[name] = (queue, self._submitted(name, queue))

    def wait_for(self, name: str, on_file: Callable[[Received], None]) -> Totals:
        """Wait for a copy, or make it now; calls ``on_file`` for each file. Raises as ``copy``."""
        if name not in self._coming:
            return self.copy(name, on_file)
        queue, totals = self._coming[name]
        while (received := queue.get()) is not None:
            on_file(received)
        del self._coming[name]  # only now: stop() has to end a copy under way
        return totals.result()

    def stop(self, hang_up: Callable[[], None]) -> None:
        """End the copies under way by ``hang_up``, which makes them fail."""
        if self._pool is not None:
            if self._coming:
                hang_up()
            self._pool.shutdown(cancel_futures=True)

    def _submitted(self, name: str, queue: _Queue) -> Future[Totals]:
        assert self._pool is not None
        try:
            return self._pool.submit(self._run, name, queue)
        except RuntimeError:  # its thread was not started
            raise no_more_processes() from None

    def _run(self, name: str, queue: _Queue) -> Totals:
        try:
            return self.copy(name, queue.put)
        finally:
            queue.put(None)
