"""What a path is: names, metadata, content, owners, exclude rules, and the scan of a tree.

::

    entry = metadata.observe(name, directory)        # lstat and extended attributes, as a frozen Entry
    scan.scan(watches, last entries, fingerprints)   # walk the tree; read only what changed since the last scan
    listing.Fingerprints                             # what each directory listed at the last scan, compared as a whole
    parents.observe_parents(watched, last entries)   # the directories above them
    content.read(entry, name, directory)             # read a file; again if it changes meanwhile
    names.stored(path)                               # a name that Mercurial can hold; original() turns it back
    owners.Accounts                                  # names and numbers of this machine, or of given account files

Paths are bytes, and directories are descriptors: no link is followed. This folder knows neither network, database nor
configuration.
"""
