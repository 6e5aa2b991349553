"""The configuration: which keys there are, and the file that holds them.

::

    path = find_config(--config, environment, recorded, root?)   # the first that is named or exists
    config = load_config(path)                                   # refused where another user could write the file
    config = parse_config(text)                                  # reports all faults at once, each with its key

``keys`` is the one table of keys: name, default, how a value is read, what the manual says of it. The result is a
frozen ``Config``. This folder does not know what the keys are for, and never writes the file.
"""
