"""The customer's pages: shelf, basket, order."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from .models import Coffee, Order, OrderLine, db
from .reservations import note_reservation

pages = Blueprint("storefront", __name__)

MOST_BAGS = 20


@pages.get("/")
def shelf() -> str:
    """Show what can be bought."""
    coffees = db.session.scalars(db.select(Coffee).order_by(Coffee.price_fils)).all()
    return render_template("shop/shelf.html", coffees=coffees)


@pages.post("/basket")
def put_in_basket() -> Response:
    """Set how many bags of one coffee are in the basket; 0 takes it out."""
    coffee = db.session.get(Coffee, request.form.get("slug", ""))
    quantity = request.form.get("quantity", type=int)
    if coffee is None or quantity is None or not 0 <= quantity <= MOST_BAGS:
        abort(400, f"Choose a coffee of ours and 0 to {MOST_BAGS} bags.")
    basket = dict(session.get("basket", {}))
    if "add" in request.form:
        quantity = min(basket.get(coffee.slug, 0) + quantity, MOST_BAGS)
    basket[coffee.slug] = quantity
    session["basket"] = {slug: bags for slug, bags in basket.items() if bags}
    return redirect(url_for(".basket"))


@pages.get("/basket")
def basket() -> str:
    """Show the basket and what it costs."""
    lines = _basket_lines()
    total = sum(line.quantity * line.price_fils for line in lines)
    return render_template("shop/basket.html", lines=lines, total=total)


@pages.post("/order")
def place_order() -> Response:
    """Turn the basket into an order, at our prices, and go to the checkout."""
    lines = _basket_lines()
    if not lines:
        return redirect(url_for(".basket"))
    total = sum(line.quantity * line.price_fils for line in lines)
    order = Order(lines=lines, total_fils=total)
    db.session.add(order)
    db.session.commit()
    session.pop("basket", None)
    return redirect(url_for(".pay", order_id=order.id))


@pages.get("/order/<order_id>")
def order(order_id: str) -> str:
    """Show an order; the page asks again by itself until the webhook has arrived."""
    return render_template("shop/order.html", order=note_reservation(_order(order_id)))


@pages.get("/order/<order_id>/status")
def order_status(order_id: str) -> dict[str, str]:
    """Return the order's status, for the page's script."""
    return {"status": note_reservation(_order(order_id)).status}


@pages.get("/order/<order_id>/pay")
def pay(order_id: str) -> str:
    """Show the order with the card form inside the shop's own page."""
    return render_template("shop/pay.html", order=_order(order_id))


def not_found(_error: Exception) -> tuple[str, int]:
    """Say in the shop's own look that there is no such page or order."""
    return render_template("shop/not_found.html"), 404


def _order(order_id: str) -> Order:
    found = db.session.get(Order, order_id)
    if found is None:
        abort(404)
    return found


def _basket_lines() -> list[OrderLine]:
    held: dict[str, int] = session.get("basket", {})
    coffees = db.session.scalars(db.select(Coffee).where(Coffee.slug.in_(held))).all()
    return [
        OrderLine(
            slug=coffee.slug,
            coffee=coffee,
            quantity=held[coffee.slug],
            price_fils=coffee.price_fils,
        )
        for coffee in coffees
    ]
