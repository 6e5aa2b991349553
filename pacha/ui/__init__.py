"""What a person or a program is shown: text and JSON. It computes nothing that matters.

::

    Console           lines, concerns, errors in three lines, the question before a change
    progress, spinner what comes over the line, and that something is still going on
    plan, rebuild     a rebuild before and after
    history           log and diff, through a pager at a terminal
    status, overview, hosts, check, prometheus      tables, and the same for programs

Every text from outside passes ``pacha.text`` before it is printed. It reaches out to nothing: no network, no
repository, no file; what it shows is handed to it.
"""
