"""What a line of shell would run, as far as it can be read without running it.

::

    words       characters into simple commands: quotes, substitutions, redirections, heredocs
    commands    what each simple command runs by another one: env, sudo, xargs, sh -c, eval

No reading of shell is complete. `commands.read` says when it met something that it cannot see through.
"""
