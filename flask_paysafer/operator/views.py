"""The operator page over HTTP: a list, one event, two buttons.

It does not exist (404) for anybody until the merchant has said who may see it.
Nothing is loaded from elsewhere, and there is no script.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from flask import (
    Response,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from ..checkout.forms import csrf_fields, is_genuine
from ..errors import InboxUnavailableError
from ..inbox.records import STATES
from ..webhooks.handlers import call
from .chart import HEIGHT, WIDTH, draw
from .replays import ReplayPlan, plan_of

if TYPE_CHECKING:
    from ..inbox.queries import EventFilter, EventStory
    from ..state import AppState

logger = logging.getLogger(__name__)

_PAGE = 50
_BARS = 48
LARGEST_KEY = 2**63 - 1
"""What a database's integer can hold: a larger one in an address is no row's."""

GOOD, BAD = "paysafer_operator_good", "paysafer_operator_bad"
"""The categories of messages: what was done, and what was not."""

SPANS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""What the chart can show, in hours."""

_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


View = Callable[..., AnyResponse]


class Views:
    """The page's views, by name: those who may not enter find no such page."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._views: dict[str, View] = {
            "operator": self.events,
            "operator_event": self.event,
            "operator_replay": self.replay,
            "operator_quarantine": self.quarantine,
            "operator_style": _style,
        }

    def answer(self, name: str, arguments: dict[str, Any]) -> AnyResponse:
        """Return what the view called ``name`` answers to those who may enter."""
        if not self._is_admitted():
            abort(404)
        if request.method == "POST" and not is_genuine(request.form):
            abort(400, "The form has expired. Go back, reload the page and try again.")
        try:
            answer = self._views[name](**arguments)
        except InboxUnavailableError as error:
            answer = make_response(f"The inbox can't be read: {error}\n", 503)
            answer.mimetype = "text/plain"
        return _private(answer)

    def _is_admitted(self) -> bool:
        check = self._state.registrations.operator_check
        # An async function's coroutine is true before it has said anything: it has to run.
        answer = call(check) if check is not None else None
        if isinstance(answer, (AnyResponse, str, tuple)):
            logger.warning(
                "The function registered with operator_required returned a page; that admits "
                "nobody. Return True or False."
            )
            return False
        return bool(answer)

    def events(self) -> AnyResponse:
        # Not above: SQLAlchemy is imported when the inbox is first used.
        from ..inbox.queries import note_of

        browser = self._state.inbox.browser
        span = request.args.get("span", "24h")
        hours = SPANS.get(span, SPANS["24h"])
        now = browser.now()
        before = request.args.get("before", type=int)
        rows = browser.find(
            _asked_for(), limit=_PAGE, before=before and max(1, min(before, LARGEST_KEY))
        )
        return self._page(
            "events.html",
            rows=rows,
            troubles=browser.troubles(rows),
            note_of=note_of,
            counts=browser.counts(),
            waiting=browser.oldest_due(),
            chart=draw(browser.timeline(since=now - hours * 3_600_000, until=now, buckets=_BARS)),
            chart_size=(WIDTH, HEIGHT),
            span=span if span in SPANS else "24h",
            older=rows[-1].key if len(rows) == _PAGE else None,
        )

    def event(self, key: int) -> AnyResponse:
        story = self._story(key)
        return self._page(
            "event.html",
            story=story,
            plan=plan_of(self._state, story, None),
            payload=_readable(story.payload),
            csrf_fields=csrf_fields(),
        )

    def _story(self, key: int) -> EventStory:
        if key > LARGEST_KEY:
            abort(404)
        return self._state.inbox.browser.story_of(key) or abort(404)

    def replay(self, key: int) -> AnyResponse:
        story = self._story(key)
        event = story.event
        if event.state == "pruned":
            flash(_PRUNED, BAD)
            return redirect(url_for(".operator_event", key=key), 303)
        if event.handled_as is not None:
            return self._replay_leader(key, event.handled_as)
        handler = request.form.get("handler") or None
        plan = plan_of(self._state, story, handler)
        if plan.needs_confirmation and request.form.get("confirmed") != plan.digest:
            return self._confirm(story, plan, handler)
        if handler is not None:
            result = self._state.backlog.replay_handler(key, handler)
        else:
            result = self._state.dispatcher.replay(key, again=event.state == "done")
        flash(_REPLAYED[result], GOOD if result in ("done", "queued") else BAD)
        return redirect(url_for(".operator_event", key=key), 303)

    def _confirm(self, story: EventStory, plan: ReplayPlan, handler: str | None) -> AnyResponse:
        """Say what would run a second time, and ask first."""
        return self._page(
            "replay.html",
            story=story,
            plan=plan,
            handler=handler,
            payload=_readable(story.payload),
            original_payload=plan.original and _readable(plan.original.payload),
            csrf_fields=csrf_fields(),
        )

    def _replay_leader(self, key: int, event_id: str) -> AnyResponse:
        """Replay the event of reconcile's that was handled for another, and go to its page."""
        leader = self._state.inbox.browser.story(event_id)
        if leader is None:
            flash(_LEADER_IS_GONE.format(event_id), BAD)
            return redirect(url_for(".operator_event", key=key), 303)
        return self.replay(leader.event.key)

    def quarantine(self, key: int) -> AnyResponse:
        self._story(key)
        done = self._state.inbox.upkeep.set_aside(key, why="set aside by an operator")
        flash(_QUARANTINED if done else _REPLAYED["busy"], GOOD if done else BAD)
        return redirect(url_for(".operator_event", key=key), 303)

    def _page(self, template: str, **values: Any) -> AnyResponse:
        text = render_template(
            f"paysafer_operator/{template}",
            account=self._state.config.name,
            states=STATES,
            spans=SPANS,
            moment=_moment,
            good=GOOD,
            bad=BAD,
            **values,
        )
        return make_response(text)


_REPLAYED = {
    "done": "Replayed: every handler is done.",
    "failed": "Replayed: a handler failed again.",
    "busy": "A worker is handling this event at this moment. Try again when it is finished.",
    "queued": "Given to the workers.",
    "stale": "Not run: it has handled a newer event of the same object.",
    "unwanted": "No handler of that name is registered for such events: nothing was run.",
}
_PRUNED = "It was pruned: there is nothing to replay."
_LEADER_IS_GONE = "It was handled as {}, which was pruned: there is nothing to replay."
_QUARANTINED = "Set aside: no delivery and no sweep runs it until it is replayed."


def _asked_for() -> EventFilter:
    from ..inbox.queries import EventFilter

    states = [state for state in STATES if state in request.args.getlist("state")]
    wanted_type = request.args.get("type", "").strip()
    return EventFilter(
        states=states,
        types=[wanted_type] if wanted_type else [],
        object_id=request.args.get("object", "").strip() or None,
    )


def _readable(payload: bytes | None) -> str | None:
    if payload is None:
        return None
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return payload.decode(errors="replace")


def _moment(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "–"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _style() -> AnyResponse:
    content = files(__package__).joinpath("static", "operator.css").read_bytes()
    return Response(content, mimetype="text/css")


def _private(answer: AnyResponse) -> AnyResponse:
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer
