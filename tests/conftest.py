"""Mark tests by what they need, and run a single file without worker processes.

A folder's name marks ``browser`` and ``works_with``, and a parameter that names a server marks
``services``; all of these are ``slow``. Other slow tests say so themselves.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import certifi
import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

TESTS = Path(__file__).parent

MAKE_CONTEXT = ssl.create_default_context

MEMORY = Path("/dev/shm")
ENOUGH = 2 * 1024**3

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


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary folders in memory where there is room: SQLite's commits wait for no disk."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        for name in sorted(_needs(item)):
            item.add_marker(name)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported and collected out of every later garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class CompiledOnce(BytecodeCache):
    """Compile each template once, not once for every app."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


class RuleOnce(Rule):
    """Compile what builds the address of a route once, not once for every app."""

    _compiled: ClassVar[dict[Any, Any]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        if self.defaults:
            return super()._compile_builder(append_unknown)
        key = (append_unknown, *self._trace)
        if key not in self._compiled:
            self._compiled[key] = super()._compile_builder(append_unknown)
        return self._compiled[key]


@cache
def _usual_certificates() -> ssl.SSLContext:
    return MAKE_CONTEXT(cafile=certifi.where())


def _context(*arguments: Any, **options: Any) -> ssl.SSLContext:
    if not arguments and options == {"cafile": certifi.where()}:
        return _usual_certificates()
    return MAKE_CONTEXT(*arguments, **options)


@pytest.fixture(scope="session", autouse=True)
def quick_apps() -> Iterator[None]:
    """Make thousands of apps and HTTP clients from templates, routes and certificates read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledOnce()})
        patch.setattr(Flask, "url_rule_class", RuleOnce)
        patch.setattr(ssl, "create_default_context", _context)
        yield


@pytest.fixture(autouse=True)
def loggers_as_they_are_made() -> None:
    """What one test's shop, command or migration did to logging is not left to the next."""
    logging.disable(logging.NOTSET)
    logging.root.setLevel(logging.WARNING)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("flask_paysafer") and isinstance(logger, logging.Logger):
            logger.disabled, logger.propagate = False, True
            logger.filters.clear()
            logger.setLevel(logging.NOTSET)


def _needs(item: pytest.Item) -> set[str]:
    needs = set(FOLDERS & set(item.path.relative_to(TESTS).parts))
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        given = {value for value in item.callspec.params.values() if isinstance(value, str)}
        if given & SERVERS:
            needs.add("services")
    if needs or any(item.iter_markers("services")):
        needs.add("slow")
    return needs
