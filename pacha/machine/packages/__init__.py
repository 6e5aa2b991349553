"""The packages of a machine, whatever manages them: which are installed, and how a rebuild installs them again.

managers                   the managers that Pacha knows, and the functions that the module of each has
apt, rpm                   the installed packages, their sources, and whether any of that changed
program, source_files      ask a manager's programs, and read its files
package_list               the packages as values, and as the text ``packages`` beside pacha.db
changes                    the differences between two lists
missing                    what of a list is not installed here; hardware_packages: what is not wanted here
installers                 the managers that can install, each an ``installer``: it fetches everything, then installs
apt_install                apt, with apt_sources, apt_choice, debconf_answers, dpkg_local
dnf_install                dnf, with dnf_sources
command_log, policy_rc     run the programs that install, and keep them from starting services
"""
