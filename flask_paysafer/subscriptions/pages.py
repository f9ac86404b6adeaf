"""The page behind ``payment_url``: a checkout of the period that is due, for any card.

It needs no login and no cookie of the shop's: the signed link says which period is paid.
Everything else is the checkout's, under the period's own reference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Blueprint, after_this_request, jsonify, make_response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..checkout.orders import CheckoutOrder
from ..checkout.phases import SETTLED, phase_of
from ..checkout.rendering import Form, Renderer
from ..checkout.views import CheckoutViews
from .correlation import reference_of
from .links import LinkTarget, PaymentLinks

if TYPE_CHECKING:
    from ..checkout.service import Checkout
    from ..inbox.attempts import OrderRecord
    from ..state import AppState


def add_pay_routes(blueprint: Blueprint, state: AppState) -> None:
    """Add ``GET|POST pay/<token>`` and its status to the extension's blueprint."""
    views = PayViews(state, PayRenderer(state.config))
    blueprint.add_url_rule("/pay/<token>", "pay", views.pay, methods=["GET", "POST"])
    blueprint.add_url_rule("/pay/<token>/status", "pay_status", views.pay_status)


class PayRenderer(Renderer):
    """Renders a period's checkout: its address is the link that it was opened by."""

    def checkout_url(self, reference: object, *, external: bool = False) -> str:
        """Return the address of the page that is open."""
        return self._url("pay", token=_token(), _external=external)

    def _status_url(self, reference: str) -> str:
        return self._url("pay_status", token=_token())

    def _form(self, *arguments: Any) -> Form:
        form = super()._form(*arguments)
        return replace(form, save_card_text="save_card_renewals", is_save_ticked=True)


class PayViews(CheckoutViews):
    """The views of payment links."""

    def __init__(self, state: AppState, renderer: PayRenderer) -> None:
        super().__init__(state, renderer)
        self._links = PaymentLinks(state.app, state.config)

    def pay(self, token: str) -> AnyResponse:
        """Show what is due, or take what its form sends."""
        target = self._links.read(token)
        if target is None:
            after_this_request(self._guard)
            return make_response(self._renderer.unknown_page(), 410)
        answer = self.checkout(reference_of(*target))
        self._collect(target)
        return answer

    def pay_status(self, token: str) -> AnyResponse:
        """Tell the page's script in which phase the payment is."""
        target = self._links.read(token)
        if target is None:
            return make_response(jsonify(state="unknown", settled=False), 410)
        answer = self.status(reference_of(*target))
        self._collect(target)
        return answer

    def _collect(self, target: LinkTarget) -> None:
        self._state.subscriptions.collect(target.reference, target.number)

    def _find(self, reference: str) -> tuple[Checkout, CheckoutOrder | None]:
        subscriptions = self._state.subscriptions
        name, _, number = reference.rpartition(":")
        back = url_for(request.endpoint or "", **(request.view_args or {}))
        order = subscriptions.order_of(name, int(number), success_url=back.removesuffix("/status"))
        return subscriptions.checkout, order

    def _show(
        self,
        checkout: Checkout,
        reference: str,
        order: CheckoutOrder,
        record: OrderRecord | None,
        **options: Any,
    ) -> AnyResponse:
        if phase_of(record, order) in SETTLED:
            # The page itself says that it is paid: there is no other one to go to.
            page = self._renderer.page(reference, replace(order, success_url="/"), record)
            return make_response(page)
        return super()._show(checkout, reference, order, record, **options)


def _token() -> str:
    return str((request.view_args or {})["token"])
