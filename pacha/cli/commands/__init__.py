"""One module for each command: ``pacha X`` is ``x.py`` (``add-host`` is ``add_host.py``).

A module is imported when its command is used (``cli.app``). It
    declares the arguments and options,
    imports its action from one folder, at its top and under its own name,
    calls it, and shows the result with ``ui/``.
``watch.py`` also holds watch-single and unwatch, ``config.py`` add-config and config-values. What log, diff and cat
share is in ``cli.history_arguments``; the steps of ``pacha rebuild`` are in ``cli.rebuild_steps``.
"""
