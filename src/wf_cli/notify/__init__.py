"""Events handed on to programs and addresses, as ``notify`` in wf.config asks for.

::

    outbox     what waits to be handed on: a file for each event in the spool's ``outbox/``
    notifier   the threads of a worker that hand it on
    delivery   one try: what it said, and whether another one may help
    program    one try of a program
    post       one try of an address

Whoever emits an event of a wanted kind puts it into the outbox, also a command that ends at once. A worker, the
dispatcher and whoever follows an epic look there. For each event and entry one process makes a mark by exclusive link
(`wf_cli.spool.notified`) and then hands the event on, so an event is handed to an entry **at most once**: a process
that is killed in between takes the notification with it. (Tries are repeated. A server that took one and whose reply
was lost gets the event again, with the same id.) Nothing here keeps work waiting, and no error here ends it.
"""
