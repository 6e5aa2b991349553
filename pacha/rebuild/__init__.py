"""A rebuild: put a host's files back, then let this machine continue as that host.

::

    choose a master, or this host's own history (source)
    fetch the snapshot and what it names (fetch/), or the selected part of it
    propose(attempt, hooks)                              # plan_rebuild() and its words: shown, and confirmed
    fetch all missing packages (packages), if asked for
    hooks of the master's root, if asked for; install the packages; the plan again
    restore.apply(plan)                                  # beside each place, then renamed; originals are kept
    adopt the history (adoption), or say what is owed (partial)
    make anew, test and restart what obeys the files (services)
    report

``restore/`` is the engine, which knows neither hosts nor snapshots; this folder is the command that drives it, and
``undo`` takes a rebuild back. It prints nothing: a Reporter is told.
"""
