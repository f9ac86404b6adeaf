"""The page for the people who run the shop."""
