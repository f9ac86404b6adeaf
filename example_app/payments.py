"""What the shop tells PaySafer: the extension, and what an order costs."""

from __future__ import annotations

from flask import session, url_for

from flask_paysafer import CheckoutOrder, LineItem, PaySafer

from .models import Order, db
from .texts import language

paysafer = PaySafer(db=db)


@paysafer.order_loader
def load_order(reference: str) -> CheckoutOrder | None:
    """Return what the order costs: the amount is the shop's, never the browser's."""
    order = db.session.get(Order, reference)
    if order is None:
        return None
    return CheckoutOrder(
        reference=order.id,
        amount=order.total,
        description=order.title_in(language()),
        lines=tuple(
            LineItem(
                name=line.coffee.name_in(language()), quantity=line.quantity, amount=line.total
            )
            for line in order.lines
        ),
        expires_at=order.held_until,
        success_url=url_for("storefront.order", order_id=order.id),
        cancel_url=url_for("storefront.basket"),
        capture_method="manual" if order.roasted_to_order else "automatic",
        metadata={"shop": "Dallah Roasters"},
        locale=language(),
    )


@paysafer.operator_required
def may_operate() -> bool:
    """Let the staff, and nobody else, see PaySafer's operator page."""
    return bool(session.get("staff"))
