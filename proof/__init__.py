"""The proof: every interleaving, every crash point, every cut, tried on a real PostgreSQL.

Test tooling, not shipped. `python -m proof --minutes N` runs all of it and writes
docs/explanation/proof.md; tests/proof runs a bounded slice of the same code.
"""
