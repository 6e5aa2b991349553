"""The packages of a machine, whatever manages them: which there are, and how they come back.

package_list               the values, as the text ``packages`` beside pacha.db and back
"""
