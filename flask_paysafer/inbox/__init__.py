"""The store that keeps every event once, and what was done for it."""
