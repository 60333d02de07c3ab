"""Figures for docs, each beside a baseline of the same run: `make bench`. Asserts nothing.

python -m benchmarks [idle] [latency] [throughput] [startup]
"""
