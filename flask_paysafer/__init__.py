"""Payments through PaySafer for Flask: webhooks, API client, checkout."""
