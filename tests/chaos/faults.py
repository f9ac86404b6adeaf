"""What breaks besides processes."""

from __future__ import annotations

from celery import Celery
from sqlalchemy import create_engine, text

from .attack import Fault
from .shop import Settings


def drop_connections(url: str) -> Fault:
    """End every connection to the PostgreSQL database, in the middle of whatever it does."""

    def strike() -> None:
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        engine.dispose()

    return strike


def wipe_queue(settings: Settings) -> Fault:
    """Lose every message the broker holds."""

    def strike() -> None:
        celery = Celery(broker=settings.broker, set_as_current=False)
        with celery.connection_for_write() as connection:
            celery.conf.task_default_queue = settings.queue
            queue = celery.amqp.queues[settings.queue](connection.channel())
            queue.declare()
            queue.purge()

    return strike
