"""Fetch a host's history from a master into a private folder, and verify all of it.

::

    staging = Staging.make(context, host, master)   # 0700, removed in any case
    copy db; read the selected snapshot             # with a memory limit: the master may have forged it
    for each repository that it names:              # the next ones are copied meanwhile (prefetch)
        copy its store; check and unpack each file  # in worker processes (spool, worker, unpack)
    every entry has its content, by its sha256?     # else DamagedError, with an older snapshot that is intact

The repositories of a state folder are read in place (``Master.local_path``). This folder does not know what a snapshot
is for: a rebuild, a check, a log and restore-db use it alike.
"""
