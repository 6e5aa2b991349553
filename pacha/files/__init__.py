"""What a path is: names, metadata, content, owners, exclude rules, scanning a tree.

::

    entry = metadata.observe(name, directory)        # all that lstat and the attributes say, as a frozen Entry
    scan.scan(watches, last entries, fingerprints)   # walk the tree; read nothing that is as it was last time
    content.read(entry, name, directory)             # read again while the file changes under the reader
    names.stored(path)                               # the name that Mercurial can hold, and back again
    owners.Accounts                                  # names and numbers of this machine, or of given account files

Paths are bytes, and directories are descriptors: no link is followed. It knows no network, no database and no
configuration.
"""
