"""What the kernel gives and Python wraps badly, or not at all.

::

    background.start(work, ...)        # a thread that does not hold up the end of the process
    child.run_as(user, work)           # work in a child process of another account; run_in_child: within limits
    signals.listen()                   # a signal ends a command through an exception, at once
    memory_limit.limit_memory()        # hostile input fails instead of the machine
    mounts.mounts(), syscalls          # /proc/self/mountinfo, renameat2(2), syncfs(2)
    proc.require_proc()                # without /proc nothing is done
    proc.require_working_directory()   # nor in a working directory that was removed
    presence.is_absent(path)           # a path that cannot be accessed is not absent
    atomic.replace_file(path, data)    # readers see the old file or the new one, never a mixture
    programs.run(path, variables, ...) # an administrator's program: its time and its output are limited
    trust.untrusted(path, users)       # who else could change a file, or put another in its place
    executable.program()               # the path by which other programs call this Pacha
    interpreter.restart_if_needed()    # Python in UTF-8 mode, whatever the locale

Each module wraps one facility. None knows what Pacha does with it.
"""
