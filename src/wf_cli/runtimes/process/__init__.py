"""One agent's process, from its gate to its end, whatever it does.

::

    supervise    the worker's side: feed it, listen to it, watch its clocks, stop it, judge it
    gate         start a launcher, open the gate, hear how it went
    launcher     the small process that every agent runs under, and that ends its tree
    strays       ending an attempt from its records, when its launcher cannot
    deadlines    the clocks, as arithmetic
    lines        bytes into lines and tails
    transcript   what was printed, for people
    redact       secrets never leave by it
"""
