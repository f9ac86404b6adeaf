"""Mark tests by what they need, and run a single file without worker processes.

A folder's name marks ``browser`` and ``works_with``, and a parameter that names a server marks
``services``; all of these are ``slow``. Other slow tests say so themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

FOLDERS = {"browser", "works_with"}

SERVERS = {"postgresql", "mariadb", "redis", "rabbitmq"}
"""Parameters that name a server: a test that is given one needs it."""


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run one file, or less, in this process: it starts at once, and its output is in order."""
    [*chosen] = config.args
    if len(chosen) == 1 and ".py" in chosen[0]:
        return 0
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        for name in sorted(_needs(item)):
            item.add_marker(name)


def _needs(item: pytest.Item) -> set[str]:
    needs = set(FOLDERS & set(item.path.relative_to(TESTS).parts))
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        given = {value for value in item.callspec.params.values() if isinstance(value, str)}
        if given & SERVERS:
            needs.add("services")
    if needs or any(item.iter_markers("services")):
        needs.add("slow")
    return needs
