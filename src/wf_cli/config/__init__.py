"""What a project tells wf: one file, one typed model, and where each value came from.

::

    document   the file as it stands: values, and the line of each
    check      what is wrong with it, by key path
    model      the typed, frozen configuration with every default
    layers     values by key path, merged; remembers who set what
    mode       is the distributed mode on?
    load       finds the file and applies the order of precedence
    legacy*    the files of older wf versions, read only
    migrate    one file from those; a starter file
    edit       ``wf config set``
    splice     one value replaced in the text of a YAML file

State never lives in the configuration. Importing this package loads neither yaml nor jsonschema.
"""
