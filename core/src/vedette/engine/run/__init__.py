"""Putting it together in one process: sessions, replays, and the runtime of all pools."""
