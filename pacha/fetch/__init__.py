"""Fetch a host's history from a master into a private folder, and verify all of it.

::

    staging = Staging.make(context, host, master)   # 0700, removed in the end, whatever happens
    copy db; read the snapshot that is asked for    # with a memory limit: what comes is the master's to forge
    for each repository that it names:              # the next is copied meanwhile (prefetch)
        copy its store; check and unpack each file  # in worker processes (spool, worker, unpack)
    every entry has its content, by its sha256?     # else DamagedError, with an older snapshot that is intact

What a state folder holds is read where it lies (``Master.local_path``). It does not know what is done with a snapshot:
a rebuild, a check, a log and restore-db use it alike.
"""
