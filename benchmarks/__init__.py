"""Measure what an execution costs, next to the raw driver and to other libraries.

`make bench` runs everything but the large tables, and writes benchmarks/results.json, the charts
and docs/explanation/performance.md. `python -m benchmarks --help` has the rest. What runs in a
contender's own process (`lane`, `keys`, `contenders`) imports the standard library and that
contender only.
"""
