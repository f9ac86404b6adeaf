"""A merchant's project that has the kit, and runs its own tests."""

from .merchant import loaded, run

__all__ = ["loaded", "run"]
