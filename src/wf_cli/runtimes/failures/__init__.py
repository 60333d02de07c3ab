"""What went wrong, by code: `classify` applies what `patterns` knows; `reset_time` reads when a limit ends."""
