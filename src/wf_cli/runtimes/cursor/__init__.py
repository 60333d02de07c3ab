"""Cursor's CLI as a runtime."""
