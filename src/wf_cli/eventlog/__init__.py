"""The record of what happened: written by `log`, read by `read`. Never the truth: deleting it loses history only."""
