"""The queue of jobs on a spool.

    spool_queue  the queue itself
    values       the values that it takes and gives
    batch        from requests to new jobs, before anything is stored
    report       what it tells the log
    spending     what attempts have cost

Its model in memory, against which it is tested, is ``tests/support/memory_queue.py``.
"""
