"""What was: the snapshots of a host, and what differs between them.

::

    with open_history(context, host) as history:     # this host's own, a folder's on a master, or fetched over SSH
        log(history, paths)                          # the snapshots that touched them, newest first
        old, new = diff.sides(context, history, FROM, TO)
        diff.compare(old, new, paths)                # content and metadata, path by path
        history.content(snapshot, entry)             # a file as it was
    verify(context, at)                              # the disk against a snapshot

What another machine sends is checked before it is believed. It changes nothing, here or there, and prints nothing.
"""
