"""The objects of PaySafer's API: dicts with attributes."""
