"""Run each piece of work exactly once per idempotency key, on PostgreSQL."""
