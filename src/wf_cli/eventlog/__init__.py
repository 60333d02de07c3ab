"""The record of what happened. It is never the truth, so deleting it loses history only.

`log` writes it. `lines` understands one line, `stream` reads all logs by time, and `read` puts them in order.
"""
