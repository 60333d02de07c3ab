"""Agents that print JSON lines, by rules instead of code: ``runtimes.<name>.output`` of wf.config.

``rules`` turns the configuration into rules, ``recipes`` are those of known programs, ``reader`` applies them.
"""
