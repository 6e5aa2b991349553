"""All hosts of a master at once: what differs between them, where a text occurs, what changed.

::

    with update.up_to_date(hosts_path) as fleet:     # the index, in which each host with a new tip is read again
        find(fleet, glob)                            # the paths with this name
        grep(fleet, regex)                           # lines of the newest contents, each distinct content read once
        drift(fleet, path)                           # groups of hosts by what they have there
        changes(fleet, since)                        # the snapshots of all hosts on one timeline
        digest(fleet, marks, secrecy)                # what changed since the last digest, with diffs, without secrets

A host may have forged its folder. So a child process with the account that owns the folder reads it, within limits, and
this process checks what the child replies. A host that cannot be read gets a fault, and the others go on.
"""
