"""Agent CLIs behind one seam: a request becomes a process, its output becomes events and an end.

A runtime sees a request and returns a result. It never opens the queue, and what it returns about the
work is a claim: the worker checks the plan (DESIGN sections 7 and 8).
"""
