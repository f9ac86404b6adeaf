"""What merchants' handlers, sessions and engines do: together, or loudly not at all."""
