"""Encrypted connections, to a server whose certificate is or is not trusted."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient, transport
from flask_paysafer.errors import APIConnectionError, APITimeoutError

from .driving import SECRET_KEY
from .servers import Request, echo, serve


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this certificate be trusted, as an administrator does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    transport._ssl_context.cache_clear()
    yield
    transport._ssl_context.cache_clear()


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def retrieve(base_url: str, *, asynchronous: bool) -> str:
    if not asynchronous:
        with PaySaferClient(SECRET_KEY, base_url=base_url, max_retries=0) as client:
            return client.payments.retrieve("pay_1").id

    async def call() -> str:
        async with AsyncPaySaferClient(SECRET_KEY, base_url=base_url, max_retries=0) as client:
            return (await client.payments.retrieve("pay_1")).id

    return asyncio.run(call())


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("asynchronous", [False, True])
def test_calls_over_an_encrypted_connection(certificate: Path, asynchronous: bool) -> None:
    agreed: list[str | None] = []

    def answer(connection: socket.socket, request: Request) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        agreed.append(connection.selected_alpn_protocol())
        echo(connection, request)

    with serve(answer, tls=server_context(certificate)) as server:
        assert retrieve(server.base_url, asynchronous=asynchronous) == "pay_1"
    assert agreed == ["http/1.1"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_sends_nothing_to_a_server_that_is_not_trusted(
    certificate: Path, asynchronous: bool
) -> None:
    with (
        serve(echo, tls=server_context(certificate)) as server,
        pytest.raises(APIConnectionError) as caught,
    ):
        retrieve(server.base_url, asynchronous=asynchronous)
    assert caught.value.outcome == "not_sent"
    assert server.requests == []


def test_a_handshake_that_never_ends_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"https://127.0.0.1:{silent.getsockname()[1]}/v1"
        with (
            PaySaferClient(SECRET_KEY, base_url=base_url, timeout=0.2, max_retries=0) as client,
            pytest.raises(APITimeoutError) as caught,
        ):
            client.payments.create(amount=1, currency="aed")
    assert caught.value.outcome == "not_sent"
