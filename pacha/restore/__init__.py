"""How a tree is put back: the engine of a rebuild, which knows neither hosts nor snapshots.

::

    plan = build(wanted entries, what is on disk, accounts)     # a pure function: steps, concerns, missing owners
    preflight(plan)                                             # room, mounts, read-only file systems
    apply(plan, source, journal):
        write every file beside its place, private; sync
        journal each change before it is made; rename; originals go to a backup directory
        the permission check, deepest folder first
    undo(journal)                                               # puts back what was there

Every path is reached through directory descriptors, one component at a time; no link is followed at or below a root.
At each moment a path is wholly old or wholly new. It does not know where content comes from.
"""
