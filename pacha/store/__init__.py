"""What Pacha stores: pacha.db (SQLite), the repositories (Mercurial) and the state of this machine (JSON).

::

    snapshot = database.read(path)                    # untrusted_db.read checks each row, and all together
    database.write(path, snapshot); image = database.image(path)
    node = hg.Repository.open(path).commit(parent, names, removed, read, note)
    resolve a revspec ("yesterday", a node) to a node; reduce a snapshot to a Selection of paths
    state = StateFolder(path).read(); StateFolder(path).update(tip=node)     # under its lock

A snapshot is one revision of ``db``: the watched paths, every entry, and for each watched path the node of its content.
Only ``hg`` imports Mercurial, only the modules of databases SQLite. This folder knows neither the origin of files nor a
network.
"""
