"""Synced folders: what nodes say to one another, and who they are (docs/explanation/synced.md).

Parts of a design that no command uses yet: `identity` says who this node is, and since which boot; `record` is the
document that a node publishes (`fields` its parts), `register` writes it, `reading` reads those of other nodes;
`listing` names the files of a checkout, `trees` lists them with their digests, which `hashes` remembers, and
`barrier` tells what a disk lacks of a list. `home` and `node` are the rounds: functions of a spool and of what was
read.
"""
