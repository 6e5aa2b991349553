"""The configuration that the manual begins with."""

from __future__ import annotations

SEED = """\
[DEFAULT]

###################################
# Pacha Server Configuration
###################################

pacha.frequency = 12

# Pacha master server 
pacha.host = master.example.com

pacha.ssh.user = bar_user

pacha.hosts.path = /pacha/hosts
"""  # noqa: W291
