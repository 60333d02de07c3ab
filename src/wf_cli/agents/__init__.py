"""Who acts: the model that a checkout has declared, what models may do, and the sub-agents of both tools."""
