"""Who did what when: `build` makes a `Trace`; ``text``, ``page`` (HTML) and ``perfetto`` show it."""
