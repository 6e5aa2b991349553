"""All hosts of a master at once: what differs between them, where a text occurs, what changed.

::

    with update.up_to_date(hosts_path) as fleet:     # the index, with each host whose db has a new tip read again
        find(fleet, glob)                            # the paths of a name
        grep(fleet, regex)                           # lines of the newest contents, each distinct content read once
        drift(fleet, path)                           # groups of hosts by what they have there
        changes(fleet, since)                        # the snapshots of all hosts on one timeline
        digest(fleet, marks, secrecy)                # what changed since the last digest, with diffs and no secret

A host may have forged its folder. So each is read by a child process as the account that owns the folder, within
limits, and what the child says is checked again. A host that cannot be read has a fault, and costs the others nothing.
"""
