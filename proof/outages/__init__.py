"""Outages: a server that restarts, crashes, fills up or has no room, under every driver's load."""
