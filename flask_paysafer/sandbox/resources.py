"""The account that every call works with, and lists, customers and endpoints."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .errors import ApiError, invalid
from .fields import CREATE_ENDPOINT
from .sender import link_problem
from .store import Row, Store, Table, Tenant, new_id, random_text, shown

API_VERSION = "2026-01-15"
"""The version that events say they are of."""


class Result(NamedTuple):
    """The answer to a call, once its work is committed."""

    body: dict[str, Any]
    status: int = 200


@dataclass(frozen=True)
class Account:
    """One tenant at work; everything here happens inside one transaction."""

    tenant: Tenant
    store: Store
    clock: Callable[[], float]
    announce: Callable[[Tenant, Row], None]
    """Gets each new event: makes its deliveries."""
    page_url: Callable[[str], str]
    """Gives a path of the sandbox's own pages as a whole address."""
    watch: Callable[[Tenant, Row], None]
    """Gets each payment that holds an authorisation: lets it run out in time."""
    link_problem: Callable[[str], str | None]
    """Tells why webhooks can't be sent to an address, or None."""

    def now(self) -> int:
        """Return the virtual time in whole unix seconds."""
        return int(self.clock())

    def table(self, kind: str) -> Table:
        """Return the tenant's rows of one kind."""
        return self.store.table(kind, self.tenant)

    def put(self, kind: str, row: Row) -> Row:
        """Add or replace a row."""
        return self.store.put(kind, self.tenant, row)

    def get(self, kind: str, row_id: str) -> Row | None:
        """Return the row, or None."""
        return self.store.get(kind, self.tenant, row_id)

    def find(self, kind: str, row_id: str) -> Row:
        """Return the row that an address names.

        :raises ApiError: 404 if there is none.
        """
        row = self.get(kind, row_id)
        if row is None:
            raise ApiError("resource_missing", f"No such {kind}: {row_id[:100]}", param="id")
        return row

    def refer(self, kind: str, row_id: str, param: str) -> Row:
        """Return the row that a field of the body names.

        :raises ApiError: 400 with ``param`` if there is none.
        """
        row = self.get(kind, row_id)
        if row is None:
            raise ApiError("reference_missing", f"No such {kind}: {row_id[:100]}", param=param)
        return row

    def new(self, prefix: str, kind: str, fields: Row) -> Row:
        """Add a row with an id, its kind, the time and the mode."""
        return self.put(
            kind,
            {
                "id": new_id(prefix),
                "object": kind,
                **fields,
                "created": self.now(),
                "livemode": self.tenant.livemode,
            },
        )

    def emit(self, event_type: str, row: Row) -> Row:
        """Record that something happened to ``row``, as it is now."""
        event = self.put(
            "event",
            {
                "id": new_id("evt"),
                "object": "event",
                "type": event_type,
                "api_version": API_VERSION,
                "created": self.now(),
                "data": shown(row),
            },
        )
        self.announce(self.tenant, event)
        return event


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}


def list_page(table: Table, query: dict[str, Any]) -> dict[str, Any]:
    """Return one page of the rows of ``table``.

    :param query: Checked parameters: ``limit``, ``starting_after`` or
        ``ending_before``, and ``created[gte]`` and its like.
    :raises ApiError: for an unknown cursor, or two of them.
    """
    limit = query.get("limit", 10)
    backwards = "ending_before" in query
    wanted = _wanted(query)
    found: list[Row] = []
    for place in _places(table, query):
        row = table.rows.get(table.ids[place])
        if row is not None and wanted(row):
            found.append(row)
            if len(found) > limit:
                break
    data = [shown(row) for row in found[:limit]]
    return {
        "object": "list",
        "data": data[::-1] if backwards else data,
        "has_more": len(found) > limit,
    }


def _places(table: Table, query: dict[str, Any]) -> Iterator[int]:
    """Yield places from the cursor onwards: towards older ones, or newer ones."""
    after, before = query.get("starting_after"), query.get("ending_before")
    if after is not None and before is not None:
        raise invalid("ending_before", "can't be used together with starting_after.")
    if before is not None:
        return iter(range(_place(table, before, "ending_before") + 1, len(table.ids)))
    end = len(table.ids) if after is None else _place(table, after, "starting_after")
    return iter(range(end - 1, -1, -1))


def _place(table: Table, cursor: str, param: str) -> int:
    try:
        return table.places[cursor]
    except KeyError:
        raise ApiError(
            "reference_missing", f"No such object: {cursor[:100]}", param=param
        ) from None


def _wanted(query: dict[str, Any]) -> Callable[[Row], bool]:
    limits = [
        (_COMPARE[name[len("created[") : -1]], moment)
        for name, moment in query.items()
        if name.startswith("created[")
    ]
    return lambda row: all(compare(row["created"], moment) for compare, moment in limits)


def create_customer(account: Account, data: dict[str, Any]) -> Result:
    """Create a customer; what was not given is null."""
    customer = account.new(
        "cus",
        "customer",
        {
            "email": data.get("email"),
            "name": data.get("name"),
            "phone": data.get("phone"),
            "metadata": data.get("metadata", {}),
        },
    )
    account.emit("customer.created", customer)
    return Result(shown(customer))


def update_customer(account: Account, customer_id: str, data: dict[str, Any]) -> Result:
    """Change the given fields; metadata is merged, and ``""`` removes a key of it."""
    customer = account.find("customer", customer_id)
    changes = dict(data)
    if "metadata" in data:
        merged = {**customer["metadata"], **data["metadata"]}
        changes["metadata"] = {name: text for name, text in merged.items() if text}
    changed = {**customer, **changes}
    if changed != customer:
        customer = account.put("customer", changed)
        account.emit("customer.updated", customer)
    return Result(shown(customer))


def delete_customer(account: Account, customer_id: str) -> Result:
    """Delete the customer and its saved cards; payments keep its id."""
    for card in list(account.table("payment_method").rows.values()):
        if card["customer"] == customer_id:
            account.store.discard("payment_method", account.tenant, card["id"])
    return _delete(account, "customer", customer_id)


def _delete(account: Account, kind: str, row_id: str) -> Result:
    account.find(kind, row_id)
    account.store.discard(kind, account.tenant, row_id)
    return Result({"id": row_id, "object": kind, "deleted": True})


def create_endpoint(account: Account, data: dict[str, Any]) -> Result:
    """Register an address; this answer alone holds the signing secret.

    It may be anywhere, as at PaySafer. Whether anything is sent there is the sender's
    to say: each delivery tells.
    """
    problem = link_problem(data["url"], allow_remote=True)
    if problem:
        raise invalid("url", problem)
    secret = f"whsec_{random_text(32)}"
    endpoint = account.new(
        "we",
        "webhook_endpoint",
        {
            "url": data["url"],
            "enabled_events": data.get("enabled_events", ["*"]),
            "status": "enabled",
            "_secret": secret,
        },
    )
    return Result({**shown(endpoint), "secret": secret})


def register_endpoint(account: Account, url: str) -> Row:
    """Return the endpoint of this address with its secret; make one if there is none.

    :raises ApiError: 400 for an address that nothing would be sent to.
    """
    problem = account.link_problem(url)
    if problem:
        raise invalid("url", problem)
    for endpoint in account.table("webhook_endpoint").rows.values():
        if endpoint["url"] == url:
            return {**shown(endpoint), "secret": endpoint["_secret"]}
    return create_endpoint(account, CREATE_ENDPOINT.check({"url": url})).body


def delete_endpoint(account: Account, endpoint_id: str) -> Result:
    """Stop delivering there; what still waits is given up."""
    return _delete(account, "webhook_endpoint", endpoint_id)


def wants(endpoint: Row, event_type: str) -> bool:
    """Tell whether events of this type go to the endpoint."""
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or event_type in enabled)
