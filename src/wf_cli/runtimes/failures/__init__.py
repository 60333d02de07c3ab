"""Error codes of failures. `classify` applies the facts of `patterns`, and `reset_time` reads when a limit ends."""
