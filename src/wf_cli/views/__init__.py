"""Views of a spool for people and scripts: functions that read its files and return frozen records.

No view changes a job, and no worker decides by one. A file of the spool may be hostile or torn (invariant 7); when it
cannot be read, only the facts in it are missing from the view.

``viewer`` derives statuses and remembers the files that it read. ``survey`` counts all jobs by their names and puts
them in order. ``rows`` makes a line for each that is shown, ``record`` everything
about one job, ``explain`` the reason for its state. ``progress`` is about an epic, ``sessions`` about workers, and
``transcripts`` follows what agents printed. ``stats`` adds events up, and ``openmetrics`` writes the sums for
Prometheus. ``trace`` shows who did what when. ``rows`` reads names rather than files where it can, because people and
scripts run `wf spool ls` often.
"""
