"""A shop whose handlers run on Celery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask

from flask_paysafer import PaySafer, Webhook
from flask_paysafer.state import AppState, get_state

SECRET = "whsec_0123456789abcdef"


def make_celery(broker: str, *, queue: str = "celery") -> Celery:
    """Return a merchant's Celery, on a queue of its own."""
    celery = Celery("shop", broker=broker, set_as_current=False)
    celery.conf.update(
        task_default_queue=queue,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        task_ignore_result=True,
    )
    return celery


def make_app(folder: Path, celery: Celery | None, paysafer: PaySafer, **settings: Any) -> Flask:
    """Return an app whose events go to ``celery``."""
    app = Flask("shop", instance_path=str(folder))
    app.config.update(
        PAYSAFER_WEBHOOK_SECRET=SECRET, PAYSAFER_DISPATCH="celery", TESTING=True, **settings
    )
    if celery is not None:
        app.extensions["celery"] = celery
    paysafer.init_app(app)
    return app


def post(app: Flask, body: bytes) -> tuple[int, dict[str, Any]]:
    """Deliver a signed event."""
    answer = app.test_client().post(
        "/paysafer/webhook",
        data=body,
        content_type="application/json",
        headers={"PaySafer-Signature": Webhook.sign(body, SECRET)},
    )
    return answer.status_code, json.loads(answer.data)


def state_of(app: Flask, event_id: str) -> str | None:
    """Return an event's state, or None."""
    story = _state(app).inbox.browser.story(event_id)
    return None if story is None else story.event.state


def _state(app: Flask) -> AppState:
    return get_state(app)


class ContextTask(Task):  # type: ignore[misc]  # Celery has no annotations
    """A task in the app's context, as Flask's documentation has it."""

    flask_app: Flask

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task in the context."""
        with self.flask_app.app_context():
            return self.run(*args, **kwargs)
