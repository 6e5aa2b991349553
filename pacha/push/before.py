"""Run the before-push programs, so that what they write into watched paths is in the same snapshot.

They all run, whatever becomes of one; each that fails is a concern, and the push goes on with what is there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from pacha.errors import Concern
from pacha.host import before_push
from pacha.host.context import Context
from pacha.system import activity, details, programs
from pacha.system.atomic import replace_file
from pacha.text import escape, local_second, one_line, printable

LOG = "before-push.log"  #: in the state folder


def run_programs(context: Context, folder: Path) -> Iterator[Concern]:
    """Run what is in ``folder``, one after the other; yield a concern for each that fails, or is not run.

    The end of their output is kept in the log, and shown as a detail (-v). An exception (a signal) ends them all.
    """
    scripts = before_push.find(folder)
    yield from scripts.refused
    variables = {**programs.environment(), "PACHA_HOST": context.hostname()}
    log = ""
    for path in scripts.programs:
        activity.begin(f"running {escape(path.name)} before the push")
        began = time.time()
        ended = programs.run([path], variables, context.config.before_push_timeout, context.state.path)
        log += _report(path, ended, began)
        replace_file(context.state.path / LOG, log.encode("utf-8", "replace"))
        if ended.failure:
            last = one_line(ended.output.rstrip().rpartition(b"\n")[2])
            why = ": ".join(filter(None, [ended.failure, last]))
            yield Concern(os.fsencode(path), f"failed before the push: {why}")


def _report(path: Path, ended: programs.ProgramRun, began: float) -> str:
    """The outcome and the output of a program, printable; each line is a detail (-v), too."""
    outcome = f"{escape(path)}: {ended.failure or 'done'} ({time.time() - began:.1f} s)"
    output = [printable(line, keep="\t") for line in ended.output.decode("utf-8", "surrogateescape").splitlines()]
    for line in (outcome, *output):
        details.tell(line)
    return "\n".join([f"{local_second(began)} {outcome}", *(f"    {line}" for line in output), ""])
