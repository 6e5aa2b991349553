"""How it travels: SSH, the receiving side of scp, and the masters behind them.

::

    master = SshMaster(connection, PlainAccount(...)) | LocalMaster(folder)       # both are a Master
    master.probe(host)                       # its clock, and the digests of the changelogs
    with master.serve(host, name) as stream  # Mercurial's protocol, or master.new(...) for a temporary repository
    master.fetch(host, name, inbox)          # scp -r -f: checked names, limited in number and size
    master.leave_heartbeat(host, line)

With Pacha on the master the control channel (``control``, ``conversation``) answers; without it the plain account
does, by commands with quoted paths. Only ``ssh`` imports paramiko. What comes from a master is hostile: limited,
checked, never trusted. This folder knows nothing of snapshots, nor of the content of repositories.
"""
