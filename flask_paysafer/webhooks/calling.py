"""Call the merchant's functions: in a context of their own, plain or async."""

from __future__ import annotations

import contextvars
import inspect
import logging
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any

from flask import Flask

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 4000
_OURS = str(Path(__file__).parents[1])


@contextmanager
def fresh_context(app: Flask) -> Iterator[None]:
    """Push an app context of its own: a fresh ``g`` and a fresh database session.

    A teardown function that raises is logged. What the handler did is committed by
    then and is not to be done again.
    """
    context = app.app_context()
    context.push()
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        try:
            context.pop(error)
        except Exception:
            logger.exception("A teardown function of the app failed after a webhook handler.")


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a function returns, or a coroutine function when it has run to its end.

    :raises TypeError: if it returns what has not run yet, such as a generator.
    """
    result = function(*args, **kwargs)
    if inspect.iscoroutine(result):
        return _run(result)
    if inspect.isgenerator(result) or inspect.isasyncgen(result) or inspect.isawaitable(result):
        # Its body never ran: taken for done, the event's effect would be lost without a word.
        raise TypeError(
            f"It returned a {type(result).__name__}, which nothing runs. "
            "Write it as a plain function or an async one, without yield."
        )
    return result


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # Imported on first use: most shops have no async handler, and these take long to load.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # A loop is running in this thread, as under an ASGI server: wait in another thread, in
    # this context, so that the handler sees its app and its session.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(context.run, asyncio.run, coroutine).result()


def describe(error: BaseException) -> str:
    """Return what is stored of an error: type and message, then the merchant's frames.

    The message may quote a statement's parameters: cards, keys and addresses are taken out.
    """
    from ..redaction import redact  # not before there is something to store

    said = "".join(traceback.format_exception_only(error)).strip()
    summary = redact(said, limit=_LONGEST_MESSAGE)
    frames = traceback.extract_tb(error.__traceback__)
    theirs = dropwhile(lambda frame: frame.filename.startswith(_OURS), frames)
    where = "".join(traceback.format_list(list(theirs))).rstrip()
    return f"{summary}\n\n{where}" if where else summary
