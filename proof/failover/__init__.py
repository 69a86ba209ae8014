"""Failover: a primary that dies under load, and a standby that takes its place."""
