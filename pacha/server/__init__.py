"""On a master: let hosts in, serve them, say which are late and which could be rebuilt.

::

    add_host(hosts_path, host, key)        # the folder, and a line of authorized_keys with a forced command
    serve(host, rights, what was asked)    # behind that command: parse the request, or refuse it; then answer
    hosts(hosts_path)                      # every host's heartbeat and last check
    check(config, hosts, rehearse)         # as the account that owns the folder: fetch, verify, rebuild aside

What lies in a host's folder, and what a host asks, is hostile: nothing there is obeyed, no link is followed, and root
looks at it only as the owner of the folder. It knows no host's configuration.
"""
