"""The packages of a machine, whatever manages them: which there are, and how they come back.

managers                   those that are known, and what each module of one says
apt, rpm                   what they have, where it comes from, and whether that changed
program, source_files      what a manager's programs say, and what its files hold
package_list               the values, as the text ``packages`` beside pacha.db and back
changes                    what differs between two lists
"""
