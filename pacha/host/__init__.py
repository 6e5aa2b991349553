"""This machine as a host: its configuration, what it watches, when it pushes, its state.

::

    context = Context(configuration, state folder)      # every command gets it
    watch(context, path)                                # a row in pacha.db, with its repository's name
    connect(context, master)                            # a Master: over SSH, or a folder of this machine
    is_due(state, frequency, now)                       # the scheduled job asks before it pushes
    status(context), overview(context), inspect(...)    # read the state, pacha.db, the journals; the doctor connects

``owed`` keeps what a rebuild could not restore until a later one or the user resolves it. This folder does not know how
a push or a rebuild works, and prints nothing.
"""
