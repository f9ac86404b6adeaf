"""A local PaySafer: its own Flask app over real HTTP."""
