"""What one app holds of one extension."""
