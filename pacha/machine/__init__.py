"""What a machine is besides its files: its release, its hardware.

    facts.collect(root)        read it from /etc/os-release, /sys, /dev/disk and /proc below ``root``
    facts.encode / decode      as the text ``machine`` beside pacha.db, and back (from elsewhere: every value checked)

It knows no snapshot, no host and no master; it changes nothing.
"""
