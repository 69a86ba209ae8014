"""The wire: one call over a real driver, its connection struck at every message either way."""
