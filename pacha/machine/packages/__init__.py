"""The packages of a machine, whatever manages them: which there are, and how they come back.

managers                   those that are known, and what each module of one says
apt, rpm                   what they have, where it comes from, and whether that changed
program, source_files      what a manager's programs say, and what its files hold
package_list               the values, as the text ``packages`` beside pacha.db and back
changes                    what differs between two lists
missing                    what of a list is not installed here; hardware_packages: what is passed over
installers                 which managers install, each as an ``installer``: fetch all of it, then install it
apt_install                apt, with apt_sources, apt_choice, debconf_answers, dpkg_local
dnf_install                dnf, with dnf_sources
command_log, policy_rc     how its programs run, and that they start no service
"""
