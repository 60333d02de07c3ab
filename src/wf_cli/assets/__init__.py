"""Templates for the editors: what init, sync and skill sync copy."""
