"""What a spool looks like to people and scripts: pure views of its files as frozen records.

Nothing here changes a job, and nothing here is trusted by a worker. What lies in the folder may be hostile or
torn (invariant 7): a file that cannot be read costs the facts in it and nothing else.

``viewer`` derives statuses and remembers what it read; ``rows`` makes a list of jobs, ``record`` all about one,
``explain`` why one is where it is; ``transcripts`` follows what agents printed. `rows` works with names alone as
far as it goes, because `wf spool ls` is run all day.
"""
