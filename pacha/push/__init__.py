"""A push: make the next snapshot of what is watched, and bring every master up to date.

::

    run_programs(context, folder)              # before-push programs: dumps into what is watched
    with connecting(session) as connections:    # masters answer while this machine reads and scans
        last = read_last_snapshot(session)
        scan(session, last)
        attach(session, connections)
        changed_masters.compare_with_last_push(session, last)  # differences are concerns
        base = reconcile.base(session, last)   # a newer snapshot of a master: only the parent
        new = commit_snapshot(session, base)
        deliver(session, new.snapshot, new.tip) # what each master is missing, db last; then the heartbeat
        session.record()

A failing master does not stop the others; an interrupted push changes nothing that a rebuild would see. This folder
does not know how a rebuild works, nor which kind of master it talks to.
"""
