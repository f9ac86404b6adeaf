"""Sign and verify webhook bodies."""
