"""On a master: let hosts in, serve them, show which are late and which could be rebuilt.

::

    add_host(hosts_path, host, key)        # the folder, and a line of authorized_keys with a forced command
    serve(host, rights, what was asked)    # behind that command: parse the request, or refuse it; then answer
    hosts(hosts_path)                      # every host's heartbeat and last check
    check(config, hosts, rehearse)         # as the account that owns the folder: fetch, verify, rebuild aside

The content of a host's folder and the requests of a host are hostile: no link is followed, and root reads the folder
only as its owner. This folder knows no host's configuration.
"""
