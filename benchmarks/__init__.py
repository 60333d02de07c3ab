"""Figures for docs, each beside a floor or a baseline of the same run: `make bench`. Asserts nothing.

python -m benchmarks [--write docs/performance.md] [transitions] [backlog] [latency] [crash] [idle] [agents] [startup]
"""
