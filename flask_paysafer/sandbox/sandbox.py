"""One local PaySafer: in process, or served over loopback HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .app import create_app
from .courier import Courier
from .engine import Engine
from .idempotency import Reading
from .postman import SignWith
from .server import SandboxServer
from .verbs import Verbs

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from httpx import AsyncBaseTransport, BaseTransport


class Sandbox(Verbs):
    """A PaySafer of your own. Two of them know nothing of each other.

    The same state is reached through ``wsgi_app``, ``transport()`` and, while
    it is served, over HTTP. Close it when done, or use it as a context manager.

    :param db: A file to keep everything in; without one it lives in memory.
    :param start: What the virtual clock shows at first (unix seconds): the real
        time, or where the clock of ``db`` stopped.
    :param clock_rate: Virtual seconds per real second; 0 stands still.
    :param strict: Refuse the routes that PaySafer doesn't document.
    :param idempotency: ``"replay"``, or ``"strict"``: any reuse of a key is 409.
    :param allow_remote_webhooks: Deliver to other machines too.
    :param sign_with: The time that signatures carry: ``"virtual"``, ``"wall"``
        (the real one), or ``"auto"``, virtual unless a shop on a real clock
        refuses that.
    :param signature_scheme: ``"timestamped"`` or ``"body"``, as
        ``PAYSAFER_SIGNATURE_SCHEME`` of the shop.
    :param courier: Sends the deliveries instead of HTTP: gets a ``Parcel`` and
        returns a ``Reply``; what it raises is a failed attempt.
    :raises ConfigurationError: if ``db`` can't be used.
    """

    def __init__(
        self,
        *,
        db: str | Path | None = None,
        start: float | None = None,
        clock_rate: float | None = None,
        strict: bool = False,
        idempotency: Reading = "replay",
        allow_remote_webhooks: bool = False,
        sign_with: SignWith = "auto",
        signature_scheme: str = "timestamped",
        courier: Courier | None = None,
    ) -> None:
        engine = Engine(
            db=db,
            start=start,
            clock_rate=clock_rate,
            strict=strict,
            idempotency=idempotency,
            allow_remote_webhooks=allow_remote_webhooks,
            sign_with=sign_with,
            signature_scheme=signature_scheme,
            courier=courier,
        )
        super().__init__(engine)
        self.url: str | None = None
        """Where it is served, while it is."""
        self._app = create_app(self, lambda: self.url)

    @property
    def wsgi_app(self) -> WSGIApplication:
        """The sandbox as a WSGI application."""
        return self._app

    def transport(self) -> BaseTransport:
        """Return an httpx transport that reaches the sandbox without a network."""
        from .transports import transport

        return transport(self._app)

    def async_transport(self) -> AsyncBaseTransport:
        """Return the same for ``httpx.AsyncClient`` and ``AsyncPaySaferClient``."""
        from .transports import AsyncTransport

        return AsyncTransport(self._app)

    @contextmanager
    def serve(self, port: int = 0, host: str = "127.0.0.1") -> Iterator[Sandbox]:
        """Serve it over HTTP for the length of a ``with`` block; ``.url`` tells where."""
        server = SandboxServer(host, port, self._app)
        self.url = server.url
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            self.url = None
            server.stop()
            thread.join()
            self.engine.ledger.save_notes()

    def close(self) -> None:
        """End its threads and close its file."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
