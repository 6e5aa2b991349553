"""The output for people and programs: text and JSON.

::

    Console           lines, concerns, errors in three lines, the question before a change
    progress, spinner files received, and the seconds of a long operation
    plan, rebuild     a rebuild before and after, with package_plan
    history           log and diff, through a pager at a terminal
    status, overview, hosts, check, prometheus      tables, and the same for programs

Every text from outside passes ``pacha.text`` before it is printed. This folder opens no network connection, repository
or file; its callers pass in what it shows.
"""
