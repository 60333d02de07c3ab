"""Who acts: the session file, the models, the sub-agents."""
