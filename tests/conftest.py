"""Puts this folder on the path: tests import their tools as ``support.<module>``."""
