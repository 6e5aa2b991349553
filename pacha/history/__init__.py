"""The snapshots of a host, and the differences between them.

::

    with open_history(context, host) as history:     # this host's, another's on this master, or one fetched over SSH
        log(history, paths)                          # the snapshots that touched them, newest first
        old, new = diff.sides(context, history, FROM, TO)
        diff.compare(old, new, paths)                # content and metadata, path by path
        history.content(snapshot, entry)             # the content of a file in a snapshot
    verify(context, at)                              # the disk against a snapshot

Everything from another machine is checked before use. This folder changes nothing, here or there, and prints nothing.
"""
