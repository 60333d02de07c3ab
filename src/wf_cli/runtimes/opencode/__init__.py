"""OpenCode as a runtime."""
