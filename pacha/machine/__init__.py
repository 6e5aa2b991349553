"""What a machine is besides its files: release, hardware, services, packages; and which files are bound to it.

    facts.collect(root)                read it from /etc/os-release, /sys, /dev/disk and /proc below ``root``
    facts.encode / decode              as the text ``machine`` beside pacha.db, and back (every value is checked)
    policies.row_of(path)              what happens to a file on another machine
    hardware.examine(reader, ...)      which things that a file refers to are not here
    generators, config_checks, units   what to run, test and restart after files have changed
    packages                           the packages of a machine, and how they are installed

It knows no snapshot, no host and no master. Only ``packages`` changes the machine.
"""
