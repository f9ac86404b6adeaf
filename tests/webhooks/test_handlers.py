"""Which functions are handlers, for what, in which order and under which name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from flask_paysafer.errors import ConfigurationError
from flask_paysafer.webhooks.handlers import HandlerRegistry


@pytest.fixture
def registry() -> HandlerRegistry:
    """An empty registry."""
    return HandlerRegistry()


def names(registry: HandlerRegistry, event_type: str) -> list[str]:
    """Return the names of the handlers for a type."""
    return [handler.name for handler in registry.for_type(event_type)]


def handle(event: Any) -> None:
    """Do nothing."""


def test_exact_types_families_and_everything(registry: HandlerRegistry) -> None:
    registry.on("payment.completed", "payout.failed", name="exact")(handle)
    registry.on("payment.*", name="family")(handle)
    registry.on("*", name="all")(handle)

    assert names(registry, "payment.completed") == ["exact", "family", "all"]
    assert names(registry, "payment.failed") == ["family", "all"]
    assert names(registry, "payments.failed") == ["all"]
    assert registry.wants("anything.at_all")


def test_name_is_module_and_qualified_name(registry: HandlerRegistry) -> None:
    registry.on("*")(handle)

    assert names(registry, "x.y") == [f"{__name__}.handle"]


def test_function_is_returned_as_it_was(registry: HandlerRegistry) -> None:
    assert registry.on("*")(handle) is handle


def test_app_factory_called_twice_registers_once(registry: HandlerRegistry) -> None:
    def create_app() -> Callable[[Any], None]:
        @registry.on("payment.completed")
        def fulfil(event: Any) -> None: ...

        return fulfil

    create_app()
    registry.note_app()
    latest = create_app()

    assert [handler.function for handler in registry.for_type("payment.completed")] == [latest]


def test_closures_of_one_name_with_no_app_between_are_refused(registry: HandlerRegistry) -> None:
    registry.note_app()

    def register(number: int) -> None:
        @registry.on("payment.completed")
        def fulfil(event: Any) -> None:
            print(number)

    register(1)
    with pytest.raises(ConfigurationError, match="give one of them a name"):
        register(2)


def test_decorators_may_be_stacked(registry: HandlerRegistry) -> None:
    registry.on("payment.completed")(registry.on("payment.failed")(handle))

    assert len(registry) == 1
    assert registry.wants("payment.completed")
    assert registry.wants("payment.failed")


def test_other_function_under_a_taken_name_is_refused(registry: HandlerRegistry) -> None:
    registry.on("payment.completed", name="fulfil")(handle)

    with pytest.raises(ConfigurationError, match="Another handler is already called 'fulfil'"):
        registry.on("payment.completed", name="fulfil")(lambda event: None)


def test_functions_made_in_a_loop_for_different_events_are_told_apart(
    registry: HandlerRegistry,
) -> None:
    def make(message: str) -> Callable[[Any], None]:
        def mail(event: Any) -> None:
            print(message)

        return mail

    registry.on("payment.completed")(make("thanks"))

    with pytest.raises(ConfigurationError, match="give one of them a name"):
        registry.on("payment.failed")(make("sorry"))


def test_callable_with_state_is_named_after_its_class(registry: HandlerRegistry) -> None:
    class Mailer:
        def __call__(self, event: Any) -> None: ...

    registry.on("*")(Mailer())

    assert names(registry, "x.y")[0].endswith("<locals>.Mailer")
    with pytest.raises(ConfigurationError, match="Another handler is already called"):
        registry.on("*")(Mailer())


def test_partial_needs_a_name(registry: HandlerRegistry) -> None:
    def mail(template: str, event: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="has no name of its own"):
        registry.on("*")(functools.partial(mail, "thanks"))
    registry.on("*", name="thanks")(functools.partial(mail, "thanks"))
    assert names(registry, "x.y") == ["thanks"]


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("payment.complete", "'payment.completed'"),
        ("paymnet.completed", "'payment.completed'"),
        ("disputes.*", "'dispute.*'"),
    ],
)
def test_misspelt_type_is_refused_with_what_was_meant(
    registry: HandlerRegistry, misspelt: str, meant: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"Did you mean {meant}"):
        registry.on(misspelt)


def test_future_type_is_accepted_on_request(registry: HandlerRegistry) -> None:
    with pytest.raises(ConfigurationError, match="unknown_ok=True"):
        registry.on("payout.delayed")

    registry.on("payout.delayed", unknown_ok=True)(handle)
    assert registry.wants("payout.delayed")


@pytest.mark.parametrize("pattern", ["", "payment.", "pay*", "*.completed", "Payment.completed"])
def test_what_is_no_type_is_refused(registry: HandlerRegistry, pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="is no event type"):
        registry.on(pattern, unknown_ok=True)


def test_decorator_without_types_is_refused(registry: HandlerRegistry) -> None:
    with pytest.raises(ConfigurationError, match="Say which events a handler is for"):
        registry.on()
    with pytest.raises(ConfigurationError, match="Say which events a handler is for"):
        registry.on(handle)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [lambda: None, lambda one, two: None, "text"])
def test_function_that_cannot_take_one_event_is_refused(
    registry: HandlerRegistry, function: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r"must take one argument|must be callable"):
        registry.on("*", name="h")(function)


def test_unknown_way_with_stale_events_is_refused(registry: HandlerRegistry) -> None:
    with pytest.raises(ConfigurationError, match="stale="):
        registry.on("*", stale="drop")  # type: ignore[arg-type]
