"""Events are answered at once and handled by workers, on RabbitMQ and on Redis."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask, current_app

from flask_paysafer import Event, PaySafer, signals
from flask_paysafer.state import get_state
from flask_paysafer.webhooks.celery import Publisher
from tests.inbox.events import event_body
from tests.services import require_service
from tests.waiting import wait_for

from .shops import ContextTask, make_app, make_celery, post, state_of

pytestmark = pytest.mark.slow

BROKERS = {"rabbitmq": "PAYSAFER_TEST_RABBITMQ_URL", "redis": "PAYSAFER_TEST_REDIS_URL"}


@pytest.fixture(params=BROKERS)
def celery(request: pytest.FixtureRequest) -> Iterator[Celery]:
    """A merchant's Celery on each broker, with a queue that is removed afterwards."""
    made = make_celery(
        require_service(BROKERS[request.param]), queue=f"paysafer_test_{secrets.token_hex(6)}"
    )
    yield made
    remove_queue(made)
    made.close()


@pytest.fixture
def memory_celery() -> Celery:
    """A Celery without a broker outside this process."""
    return make_celery("memory://", queue=f"paysafer_test_{secrets.token_hex(6)}")


def remove_queue(celery: Celery) -> None:
    """Take the queue off the broker."""
    with celery.connection_for_write() as connection:
        celery.amqp.queues[celery.conf.task_default_queue](connection.channel()).delete()


def work(celery: Celery) -> int:
    """Do what a worker does with the messages that are there, and return how many there were."""
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[celery.conf.task_default_queue](connection.channel())
        queue.declare()
        taken = 0
        while message := queue.get():
            arguments, keywords, _ = message.decode()
            celery.tasks[message.headers["task"]](*arguments, **keywords)
            message.ack()
            taken += 1
    return taken


def test_event_is_answered_at_once_and_handled_by_a_worker(celery: Celery, tmp_path: Path) -> None:
    paysafer = PaySafer()
    seen: list[tuple[str, bool]] = []

    @paysafer.on("payment.completed")
    def fulfil(event: Event) -> None:
        seen.append((event.id, bool(current_app)))

    app = make_app(tmp_path, celery, paysafer)
    assert post(app, event_body("evt_1")) == (200, {"received": True})
    assert state_of(app, "evt_1") == "pending"
    assert seen == []

    assert work(celery) == 1
    assert state_of(app, "evt_1") == "done"
    assert seen == [("evt_1", True)]
    assert post(app, event_body("evt_1"))[1] == {"received": True, "duplicate": True}


def next_message(celery: Celery) -> Any:
    """Take the one message that lies in the queue."""
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[celery.conf.task_default_queue](connection.channel())
        message = queue.get()
        assert message is not None
        message.ack()
        return message


def test_message_carries_nothing_but_the_row(celery: Celery, tmp_path: Path) -> None:
    paysafer = PaySafer()
    paysafer.on("*", name="h")(lambda event: None)
    app = make_app(tmp_path, celery, paysafer)
    post(app, event_body("evt_1", data={"receipt_email": "customer@example.com"}))

    message = next_message(celery)

    arguments, keywords, _ = message.decode()
    assert (arguments, keywords) == ([1], {})
    assert "customer@example.com" not in str(message.headers)


def test_another_accounts_message_names_the_account(celery: Celery) -> None:
    celery.finalize()  # the shared tasks are its own from here on
    app = Flask("shop")
    app.extensions["celery"] = celery
    Publisher(app, account="paysafer_eu").publish(1)

    arguments, keywords, _ = next_message(celery).decode()
    assert (arguments, keywords) == ([1], {"account": "paysafer_eu"})


def test_worker_takes_a_backlog_in_batches(celery: Celery, tmp_path: Path) -> None:
    """One message is enough for everything that is due."""
    paysafer = PaySafer()
    seen: list[str] = []
    paysafer.on("*", name="h")(lambda event: seen.append(event.id))
    app = make_app(tmp_path, celery, paysafer)
    dispatcher = get_state(app).dispatcher
    bodies = [event_body(f"evt_{number}") for number in range(60)]
    inbox = get_state(app).inbox
    for body in bodies:
        event = Event.from_json(body)
        recorded = inbox.record(event, body, verified_with=None)
        dispatcher.dispatch(recorded, event)

    # One for all that came in while it was under way, and one to wake other workers.
    assert work(celery) <= 2
    assert seen == [f"evt_{number}" for number in range(60)]


def test_failing_handler_is_tried_again_alone_and_then_given_up(
    celery: Celery, tmp_path: Path
) -> None:
    paysafer = PaySafer()
    seen: list[str] = []
    paysafer.on("*", name="sound")(lambda event: seen.append("sound"))

    @paysafer.on("*", name="broken")
    def broken(event: Event) -> None:
        seen.append("broken")
        raise ValueError("no")

    app = make_app(
        tmp_path,
        celery,
        paysafer,
        PAYSAFER_HANDLER_MAX_ATTEMPTS=3,
        PAYSAFER_HANDLER_RETRY_BASE=0.01,
    )
    failed: list[tuple[str, int, bool]] = []

    def on_failed(sender: Flask, **facts: Any) -> None:
        failed.append((facts["handler"], facts["attempt"], facts["final"]))

    with signals.event_failed.connected_to(on_failed, app):
        post(app, event_body("evt_1"))

        def is_failed_once_swept() -> bool:
            sweep(celery)
            work(celery)
            return state_of(app, "evt_1") == "failed"

        wait_for(is_failed_once_swept, "the event to be given up", seconds=30)

    assert seen == ["sound", "broken", "broken", "broken"]
    assert failed == [("broken", 1, False), ("broken", 2, False), ("broken", 3, True)]


def sweep(celery: Celery) -> None:
    """Sweep as beat has it done."""
    celery.tasks["flask_paysafer.sweep"]("paysafer")


def test_sweep_finds_what_the_broker_lost(celery: Celery, tmp_path: Path) -> None:
    paysafer = PaySafer()
    seen: list[str] = []
    paysafer.on("*", name="h")(lambda event: seen.append(event.id))
    app = make_app(tmp_path, celery, paysafer)
    post(app, event_body("evt_1"))
    with celery.connection_for_write() as connection:
        celery.amqp.queues[celery.conf.task_default_queue](connection.channel()).purge()
    assert work(celery) == 0

    sweep(celery)
    assert work(celery) == 1
    assert seen == ["evt_1"]


def test_broker_that_is_down_changes_nothing_in_the_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paysafer = PaySafer()
    paysafer.on("*", name="h")(lambda event: None)
    app = make_app(tmp_path, make_celery("amqp://guest:guest@127.0.0.1:9//"), paysafer)

    assert post(app, event_body("evt_1")) == (200, {"received": True})
    assert state_of(app, "evt_1") == "pending"
    assert "The broker can't be reached; the sweep will find the event" in caplog.text


def test_missing_celery_is_an_error_in_the_log_and_the_event_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paysafer = PaySafer()
    paysafer.on("*", name="h")(lambda event: None)
    app = make_app(tmp_path, None, paysafer)

    assert post(app, event_body("evt_1"))[0] == 200
    assert state_of(app, "evt_1") == "pending"
    assert 'app.extensions["celery"] is not set' in caplog.text


@pytest.mark.parametrize("is_set_first", [True, False])
def test_sweep_is_on_the_beat_schedule(
    memory_celery: Celery, tmp_path: Path, is_set_first: bool
) -> None:
    app = make_app(
        tmp_path, memory_celery if is_set_first else None, PaySafer(), PAYSAFER_SWEEP_INTERVAL=7
    )
    app.extensions["celery"] = memory_celery

    memory_celery.loader.import_default_modules()  # as a worker and beat do when they start

    entry = memory_celery.conf.beat_schedule["flask-paysafer-sweep-paysafer"]
    assert (entry["task"], entry["args"]) == ("flask_paysafer.sweep", ("paysafer",))
    assert entry["schedule"] == 7
    assert entry["options"] == {"expires": 7}


def test_task_in_the_apps_context_uses_that_app(memory_celery: Celery, tmp_path: Path) -> None:
    """As with the task class of Flask's documentation."""
    paysafer = PaySafer()
    seen: list[str] = []
    paysafer.on("*", name="h")(lambda event: seen.append(event.id))
    app = make_app(tmp_path, None, paysafer)
    body = event_body("evt_1")
    get_state(app).inbox.record(Event.from_json(body), body, verified_with=None)

    class AppTask(ContextTask):
        flask_app = app

    other = Celery("other", broker="memory://", task_cls=AppTask, set_as_current=False)
    other.tasks["flask_paysafer.handle"](1)

    assert seen == ["evt_1"]


def test_event_sent_again_by_hand_gets_new_attempts(memory_celery: Celery, tmp_path: Path) -> None:
    paysafer = PaySafer()
    healthy: list[bool] = []

    @paysafer.on("*", name="h")
    def handler(event: Event) -> None:
        if not healthy:
            raise ValueError("no")

    app = make_app(tmp_path, memory_celery, paysafer, PAYSAFER_HANDLER_MAX_ATTEMPTS=1)
    body = event_body("evt_1")
    post(app, body)
    memory_celery.tasks["flask_paysafer.handle"](1)
    assert state_of(app, "evt_1") == "failed"

    healthy.append(True)
    assert post(app, body)[0] == 200
    assert state_of(app, "evt_1") == "pending"
    memory_celery.tasks["flask_paysafer.handle"](1)
    assert state_of(app, "evt_1") == "done"


def test_one_handler_is_replayed_where_it_is_asked_for(
    memory_celery: Celery, tmp_path: Path
) -> None:
    """The message carries the row alone, which can't say which handler is meant."""
    paysafer = PaySafer()
    ran: list[str] = []
    for name in ("first", "second"):
        paysafer.on("*", name=name)(lambda event, name=name: ran.append(name))
    app = make_app(tmp_path, memory_celery, paysafer)
    post(app, event_body("evt_1"))

    result = get_state(app).backlog.replay_handler(1, "second")

    assert (result, ran) == ("done", ["second"])
    assert state_of(app, "evt_1") == "pending"
    memory_celery.tasks["flask_paysafer.handle"](1)
    assert ran == ["second", "first"]
    assert state_of(app, "evt_1") == "done"
