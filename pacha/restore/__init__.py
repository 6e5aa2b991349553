"""The engine of a rebuild: it restores a tree and knows neither hosts nor snapshots.

::

    plan = build(wanted entries, actual entries, accounts)      # a pure function: steps, concerns, missing owners
    preflight(plan)                                             # room, mounts, read-only file systems
    apply(plan, source, journal):
        write every file under a temporary name in its directory, private (sharing: in two processes); sync
        journal each change before it is made; rename; originals go to a backup directory
        the permission check, deepest folder first; a plain user's own folder of mode 0555 is open until then
    undo(journal)                                               # puts the originals back

Every path is reached through directory descriptors, one component at a time; at and below a root no link is followed.
At each moment a path is completely old or completely new. This folder does not know where content comes from.
"""
