"""Synced folders: what nodes say to one another, and who they are (docs/explanation/synced.md).

Parts of a design that no command uses yet: `identity` says who this node is, and since which boot.
"""
