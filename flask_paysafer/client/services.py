"""The calls of the API, each written once for both clients.

A method of a service returns the operation that its arguments mean. :class:`ApiCall` and
:class:`ApiList` turn it into a method that carries the operation out: on a service of
:class:`PaySaferClient` the method blocks and returns the result, on one of
:class:`AsyncPaySaferClient` it is awaited. Type checkers see both, with every parameter.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from types import MethodType
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar, Unpack, overload

from ..errors import ConfigurationError, PaySaferError
from ..pagination import AsyncPaginator, Listed, Page
from ..params import (
    CallOptions,
    CapturePayment,
    ConfirmPayment,
    CreateCustomer,
    CreatePayment,
    CreateToken,
    CreateWebhookEndpoint,
    ListParameters,
    RefundPayment,
    UpdateCustomer,
    checked,
    checks,
    path_segment,
)
from ..profile import ApiProfile, Lists
from ..resources import Customer, Payment, Resource, Token, WebhookEndpoint
from ..translation import put
from .operation import Operation, Options, Recovery, encode_json, encode_query
from .responses import object_reader, page_reader

__all__ = [
    "ApiCall",
    "ApiList",
    "Awaited",
    "Blocking",
    "Caller",
    "Customers",
    "Payments",
    "Tokens",
    "WebhookEndpoints",
    "with_extra",
]

M = TypeVar("M")
P = ParamSpec("P")
R = TypeVar("R", bound=Resource)
T = TypeVar("T")

Params = Mapping[str, object]

DEFAULT_PAGE = 10
"""Objects on a page of a list that was asked for without a limit."""
_RENAMED = ("save_payment_method", "off_session")
_CONFIRMED = frozenset({"processing", "requires_action", "requires_capture", "succeeded"})


class Blocking:
    """Marks what belongs to :class:`PaySaferClient`: calls return their result."""


class Awaited:
    """Marks what belongs to :class:`AsyncPaySaferClient`: calls are awaited."""


class Caller(Generic[M]):
    """Something that has calls. ``M`` is :class:`Blocking` or :class:`Awaited`."""

    _profile: ApiProfile
    _is_async: bool
    _execute: Callable[[Operation[Any]], Any]
    """Carries an operation out, or returns the coroutine that does."""
    _list_pages: Callable[[Operation[Any]], Any]
    """Returns the first page of a list, or what awaits it."""


class _Method:
    """A method of both clients, made of the function that returns its operation."""

    _functions: dict[bool, Callable[..., Any]]
    """By whether the client is asynchronous."""

    def _bound_to(self, caller: Caller[Any] | None) -> Callable[..., Any]:
        if caller is None:
            return self._functions[False]
        return MethodType(self._functions[caller._is_async], caller)


class ApiCall(_Method, Generic[P, T]):
    """Makes of a function that returns an operation the method that carries it out."""

    def __init__(self, build: Callable[Concatenate[Any, P], Operation[T]]) -> None:
        @functools.wraps(build)
        def blocking(caller: Caller[Any], /, *args: Any, **params: Any) -> Any:
            try:
                operation = _built(build, caller, args, params)
            finally:
                del args, params  # personal: error trackers print the locals of frames
            return caller._execute(operation)

        @functools.wraps(build)
        async def awaited(caller: Caller[Any], /, *args: Any, **params: Any) -> Any:
            try:
                operation = _built(build, caller, args, params)
            finally:
                del args, params
            return await caller._execute(operation)

        returns = _inner(build, "Operation")
        self._functions = {
            False: _returning(blocking, returns),
            True: _returning(awaited, returns),
        }

    @overload
    def __get__(self, caller: Caller[Blocking], owner: type) -> Callable[P, T]: ...

    @overload
    def __get__(
        self, caller: Caller[Awaited], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __get__(self, caller: None, owner: type) -> Callable[..., Any]: ...

    def __get__(self, caller: Caller[Any] | None, owner: type) -> Any:
        return self._bound_to(caller)


class ApiList(_Method, Generic[P, R]):
    """Makes of a function that returns a list's operation the method that gets its pages."""

    def __init__(self, build: Callable[Concatenate[Any, P], Operation[Listed[R]]]) -> None:
        def method() -> Callable[..., Any]:
            @functools.wraps(build)
            def listing(caller: Caller[Any], /, *args: Any, **params: Any) -> Any:
                try:
                    operation = _built(build, caller, args, params)
                finally:
                    del args, params
                return caller._list_pages(operation)

            return listing

        resource = _inner(build, "Operation[Listed")
        self._functions = {
            False: _returning(method(), f"Page[{resource}]"),
            True: _returning(method(), f"AsyncPaginator[{resource}]"),
        }

    @overload
    def __get__(self, caller: Caller[Blocking], owner: type) -> Callable[P, Page[R]]: ...

    @overload
    def __get__(self, caller: Caller[Awaited], owner: type) -> Callable[P, AsyncPaginator[R]]: ...

    @overload
    def __get__(self, caller: None, owner: type) -> Callable[..., Any]: ...

    def __get__(self, caller: Caller[Any] | None, owner: type) -> Any:
        return self._bound_to(caller)


def _built(
    build: Callable[..., Operation[T]],
    caller: Caller[Any],
    args: tuple[Any, ...],
    params: dict[str, Any],
) -> Operation[T]:
    try:
        return build(caller, *args, **params)
    except (TypeError, ValueError, PaySaferError) as error:
        # Without the frames below, whose locals hold what was given.
        del args, params
        raise error.with_traceback(None) from None


def _inner(build: Callable[..., Any], outer: str) -> str:
    """Return ``Payment`` of a function that returns ``Operation[Payment]``."""
    return str(build.__annotations__["return"]).removeprefix(f"{outer}[").rstrip("]")


def _returning(function: Any, annotation: str) -> Callable[..., Any]:
    """Let a function's signature, and so ``help()``, show what it returns."""
    signature = inspect.signature(function)
    function.__signature__ = signature.replace(return_annotation=annotation)
    function.__annotations__ = {**function.__annotations__, "return": annotation}
    method: Callable[..., Any] = function
    return method


class Service(Caller[M]):
    """The calls of one kind of object."""

    collection: ClassVar[str]
    """The name that the profile has for the path of these objects."""

    def __init__(self, client: Caller[M]) -> None:
        self._client = client
        self._profile = client._profile
        self._is_async = client._is_async
        self._execute = client._execute
        self._list_pages = client._list_pages

    @property
    def _path(self) -> str:
        path: str = getattr(self._profile.paths, self.collection)
        return path

    def _create(
        self, cls: type[R], kind: type, params: Params, *, is_checkout: bool = False
    ) -> Operation[R]:
        arguments = checked(kind, params)
        options = Options.take_from(arguments, "POST")
        return Operation(
            method="POST",
            path=self._path,
            route=self._path,
            read=object_reader(cls, self._profile),
            options=options,
            body=encode_json(with_extra(self._renamed(arguments), options.extra, kind)),
            is_checkout=is_checkout,
        )

    def _renamed(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give parameters the names that they have in this account."""
        for name in _RENAMED:
            if name in arguments:
                theirs = getattr(self._profile.fields, name)
                if not theirs:
                    raise ConfigurationError(
                        f"This account's API profile has no parameter for {name} (fields.{name} "
                        "is empty), so it can't be used."
                    )
                if theirs != name:
                    put(arguments, theirs, arguments.pop(name))
        return arguments

    def _change(
        self,
        method: str,
        cls: type[R],
        object_id: object,
        kind: type,
        params: Params,
        place: Callable[[str], str],
    ) -> Operation[R]:
        arguments = checked(kind, params)
        options = Options.take_from(arguments, method)
        return Operation(
            method=method,
            path=place(path_segment("id", object_id)),
            route=place("{id}"),
            read=object_reader(cls, self._profile),
            options=options,
            body=encode_json(with_extra(arguments, options.extra, kind)),
            expected_id=str(object_id),
        )

    def _address(
        self, method: str, cls: type[R], object_id: object, params: Params
    ) -> Operation[R]:
        options = Options.take_from(checked(CallOptions, params), method)
        return Operation(
            method=method,
            path=f"{self._path}/{path_segment('id', object_id)}",
            route=f"{self._path}/{{id}}",
            read=object_reader(cls, self._profile),
            options=options,
            query=encode_query(options.extra or {}),
            expected_id=str(object_id),
        )

    def _list(self, cls: type[R], params: Params) -> Operation[Listed[R]]:
        arguments = checked(ListParameters, params)
        options = Options.take_from(arguments, "GET")
        lists = self._profile.lists
        is_backwards = "ending_before" in arguments
        return Operation(
            method="GET",
            path=self._path,
            route=self._path,
            read=page_reader(
                cls,
                self._profile,
                asked=arguments.get("limit", DEFAULT_PAGE),
                is_backwards=is_backwards,
            ),
            options=options,
            query=encode_query(
                with_extra(_list_query(lists, arguments), options.extra, ListParameters)
            ),
            cursor_parameter=lists.before if is_backwards else lists.after,
        )


def _list_query(lists: Lists, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the query of a list, with the names that its parameters have in this account."""
    names = {"limit": lists.limit, "starting_after": lists.after, "ending_before": lists.before}
    query: dict[str, Any] = {}
    for argument, value in arguments.items():
        if argument == "created":
            query |= {_bound(lists, bound): moment for bound, moment in value.items()}
        else:
            query[names[argument]] = value
    return query


def _bound(lists: Lists, bound: str) -> str:
    """Return the name of a bound in time: with ``created[gte]`` go ``created[lt]`` and so on."""
    if bound == "gte":
        return lists.created_after
    if "gte" not in lists.created_after:
        raise ValueError(
            "created takes gte alone with this account's API profile, for lists.created_after "
            f"({lists.created_after}) does not say what {bound} is called."
        )
    return lists.created_after.replace("gte", bound)


def with_extra(arguments: Params, extra: Params | None, kind: type) -> Params:
    """Return the arguments of a call with the parameters that this version does not know.

    :raises ValueError: for a parameter that it does know, for it would bypass the check.
    """
    if not extra:
        return arguments
    for name in checks(kind).keys() - checks(CallOptions).keys():
        if name in extra:
            raise ValueError(f"extra must not hold {name}, which this call takes as {name}=….")
    return {**arguments, **extra}


class Payments(Service[M]):
    """Charges to customers' payment methods."""

    collection = "payments"

    @ApiCall
    def create(self, **params: Unpack[CreatePayment]) -> Operation[Payment]:
        """Charge a payment method, or prepare to.

        :raises CardError: if the card is declined.
        """
        return self._create(Payment, CreatePayment, params, is_checkout=True)

    @ApiCall
    def retrieve(self, payment_id: str, **options: Unpack[CallOptions]) -> Operation[Payment]:
        """Return a payment as it is now.

        :raises NotFoundError: if there is no such payment.
        """
        return self._read(payment_id, options)

    @ApiList
    def list(self, **params: Unpack[ListParameters]) -> Operation[Listed[Payment]]:
        """Return the newest payments. Iterating goes through all pages."""
        return self._list(Payment, params)

    @ApiCall
    def capture(self, payment_id: str, **params: Unpack[CapturePayment]) -> Operation[Payment]:
        """Take the money of a payment that was authorised.

        If no response comes, the payment is read back, and returned if it shows that the
        money was taken.

        :raises InvalidRequestError: if the payment can't be captured in its state.
        """
        operation = self._act("capture", payment_id, CapturePayment, params)
        judge = functools.partial(_is_captured, params.get("amount"))
        return self._with_recovery(operation, judge)

    @ApiCall
    def cancel(self, payment_id: str, **options: Unpack[CallOptions]) -> Operation[Payment]:
        """End a payment that has taken no money. If no response comes, it is read back.

        :raises InvalidRequestError: if the payment can't be canceled in its state.
        """
        operation = self._act("cancel", payment_id, CallOptions, options)
        return self._with_recovery(operation, _is_canceled)

    @ApiCall
    def refund(self, payment_id: str, **params: Unpack[RefundPayment]) -> Operation[Payment]:
        """Give some or all of a payment back. Give a key: two refunds may both be right.

        :raises InvalidRequestError: if there is less left to give back.
        """
        return self._act("refund", payment_id, RefundPayment, params)

    @ApiCall
    def confirm(self, payment_id: str, **params: Unpack[ConfirmPayment]) -> Operation[Payment]:
        """Charge a payment that waited for it. If no response comes, it is read back.

        :raises CardError: if the card is declined.
        """
        operation = self._act("confirm", payment_id, ConfirmPayment, params)
        operation.is_checkout = True
        return self._with_recovery(operation, _is_confirmed)

    def _read(self, payment_id: object, options: Params) -> Operation[Payment]:
        operation = self._address("GET", Payment, payment_id, options)
        operation.is_checkout = True
        return operation

    def _act(self, verb: str, payment_id: object, kind: type, params: Params) -> Operation[Payment]:
        place = functools.partial(self._profile.payment_path, action=verb)
        return self._change("POST", Payment, payment_id, kind, params, place)

    def _with_recovery(
        self, operation: Operation[Payment], judge: Callable[[Payment], bool | None]
    ) -> Operation[Payment]:
        # Without the call's own options: its headers and its key are for the write.
        operation.recovery = Recovery(self._read(operation.expected_id, {}), judge)
        return operation


def _is_captured(amount: int | None, payment: Payment) -> bool | None:
    """Judge a capture of ``amount``, or of all."""
    if payment.status == "succeeded":
        # Another sum was captured by another call: this one will find nothing left.
        return amount is None or payment.amount_received in {amount, None}
    return False if payment.status in {"canceled", "failed"} else None


def _is_canceled(payment: Payment) -> bool | None:
    if payment.status == "canceled":
        return True
    return False if payment.status == "succeeded" else None


def _is_confirmed(payment: Payment) -> bool | None:
    """Judge a confirmation. ``failed`` stays open: it may be from before."""
    if payment.status in _CONFIRMED:
        return True
    return False if payment.status == "canceled" else None


class Customers(Service[M]):
    """People and companies that pay."""

    collection = "customers"

    @ApiCall
    def create(self, **params: Unpack[CreateCustomer]) -> Operation[Customer]:
        """Save a customer."""
        return self._create(Customer, CreateCustomer, params)

    @ApiCall
    def retrieve(self, customer_id: str, **options: Unpack[CallOptions]) -> Operation[Customer]:
        """Return a customer as it is now.

        :raises NotFoundError: if there is no such customer.
        """
        return self._address("GET", Customer, customer_id, options)

    @ApiCall
    def update(self, customer_id: str, **params: Unpack[UpdateCustomer]) -> Operation[Customer]:
        """Change the fields that are given."""
        place = f"{self._path}/{{}}".format
        return self._change("PATCH", Customer, customer_id, UpdateCustomer, params, place)

    @ApiCall
    def delete(self, customer_id: str, **options: Unpack[CallOptions]) -> Operation[Customer]:
        """Remove a customer. The result has ``deleted`` and little else."""
        return self._address("DELETE", Customer, customer_id, options)

    @ApiList
    def list(self, **params: Unpack[ListParameters]) -> Operation[Listed[Customer]]:
        """Return the newest customers. Iterating goes through all pages."""
        return self._list(Customer, params)


class WebhookEndpoints(Service[M]):
    """Addresses that PaySafer sends events to."""

    collection = "webhook_endpoints"

    @ApiCall
    def create(self, **params: Unpack[CreateWebhookEndpoint]) -> Operation[WebhookEndpoint]:
        """Have events sent to an address. Only this result holds the signing ``secret``."""
        if params.get("enabled_events") is None:
            params = {**params, "enabled_events": ["*"]}
        return self._create(WebhookEndpoint, CreateWebhookEndpoint, params)

    @ApiList
    def list(self, **params: Unpack[ListParameters]) -> Operation[Listed[WebhookEndpoint]]:
        """Return the newest endpoints. Iterating goes through all pages."""
        return self._list(WebhookEndpoint, params)

    @ApiCall
    def retrieve(
        self, endpoint_id: str, **options: Unpack[CallOptions]
    ) -> Operation[WebhookEndpoint]:
        """Return an endpoint as it is now.

        :raises NotFoundError: if there is no such endpoint.
        """
        return self._address("GET", WebhookEndpoint, endpoint_id, options)

    @ApiCall
    def delete(
        self, endpoint_id: str, **options: Unpack[CallOptions]
    ) -> Operation[WebhookEndpoint]:
        """Remove an endpoint. The result has ``deleted`` and little else."""
        return self._address("DELETE", WebhookEndpoint, endpoint_id, options)


class Tokens(Service[M]):
    """Card data that PaySafer keeps. Browsers make tokens; this is for tests and terminals."""

    collection = "tokens"

    @ApiCall
    def create(self, **params: Unpack[CreateToken]) -> Operation[Token]:
        """Store card data at PaySafer. Sent with the publishable key.

        :raises CardError: if the card can't be used.
        """
        operation = self._create(Token, CreateToken, params, is_checkout=True)
        operation.is_publishable = True
        return operation
