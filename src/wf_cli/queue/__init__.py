"""The queue: one Protocol, two implementations that pass one conformance suite (spool and memory)."""
