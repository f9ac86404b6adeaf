"""The API client, sync and async."""
