"""The shop's words in English and Arabic, and which of them a visitor reads."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import Flask, redirect, request, session, url_for
from werkzeug.wrappers import Response

from flask_paysafer import Money

from .models import CURRENCY

LANGUAGES = {"en": "English", "ar": "العربية"}

ARABIC = {
    "Dallah Roasters": "محمصة دلّة",
    "Coffee, roasted in Al Quoz, Dubai": "قهوة تُحمّص في القوز، دبي",
    "This week's roasts": "تحميصات هذا الأسبوع",
    "250 g, whole beans": "250 غرامًا، حبوب كاملة",
    "Add to basket": "أضف إلى السلة",
    "Roasted to order: charged when it ships": "تُحمّص عند الطلب: يُخصم المبلغ عند الشحن",
    "Basket": "السلة",
    "Your basket is empty.": "سلتك فارغة.",
    "Update": "تحديث",
    "Bags": "أكياس",
    "Total": "المجموع",
    "Check out": "إتمام الشراء",
    "Back to the coffees": "العودة إلى القهوة",
    "Order": "الطلب",
    "Pay for your order": "ادفع ثمن طلبك",
    "Pay by card": "الدفع بالبطاقة",
    "Staff": "الموظفون",
    "Waiting for PaySafer to confirm the payment…": "بانتظار تأكيد الدفع من PaySafer…",
    "Thank you! Your order is paid and on its way to packing.": (
        "شكرًا لك! تم دفع طلبك وهو في طريقه إلى التغليف."
    ),
    "Thank you! Your card is charged when your roast ships.": (
        "شكرًا لك! سيُخصم المبلغ عند شحن قهوتك."
    ),
    "This order was refunded.": "تم رد مبلغ هذا الطلب.",
    "A dispute is open about this order.": "هناك نزاع مفتوح على هذا الطلب.",
    "Not found": "غير موجود",
    "There is no such page or order here.": "لا توجد صفحة أو طلب بهذا العنوان.",
    "Not paid yet.": "لم يُدفع بعد.",
    "open": "مفتوح",
    "Not paid in time: back on the shelf.": "لم يُدفع في الوقت المحدد: عاد إلى الرف.",
    "reserved": "محجوز",
    "expired": "انتهت مهلته",
    "paid": "مدفوع",
    "refunded": "مسترد",
    "disputed": "متنازع عليه",
    "lost": "خسارة",
    "Orders": "الطلبات",
    "PaySafer's events, and what became of them": "أحداث PaySafer وما آلت إليه",
    "What": "المحتوى",
    "State": "الحالة",
    "Action": "الإجراء",
    "Capture": "تحصيل",
    "Refund": "رد المبلغ",
    "No orders yet.": "لا طلبات بعد.",
    "Notices": "إشعارات",
    "Payment {payment} failed: {reason}": "فشلت الدفعة {payment}: {reason}",
    "Dispute {dispute} about {payment} was opened": ("فُتح النزاع {dispute} بشأن الدفعة {payment}"),
    "Dispute {dispute} about {payment} was won": "كُسب النزاع {dispute} بشأن الدفعة {payment}",
    "Dispute {dispute} about {payment} was lost": "خُسر النزاع {dispute} بشأن الدفعة {payment}",
    "Payout of {amount} completed": "اكتمل التحويل إلى البنك بمبلغ {amount}",
    "Payout of {amount} failed": "فشل التحويل إلى البنك بمبلغ {amount}",
    "None.": "لا شيء.",
    "Passcode": "رمز الدخول",
    "Sign in": "دخول",
    "That is not the passcode. It was printed when the shop started.": (
        "رمز الدخول غير صحيح. لقد طُبع عند بدء تشغيل المتجر."
    ),
    "Done. The order changes as soon as PaySafer tells us.": (
        "تم. تتغير حالة الطلب فور وصول إشعار PaySafer."
    ),
    "PaySafer did not answer. Press the button again: it can't be done twice.": (
        "لم تصل استجابة من PaySafer. اضغط الزر مرة أخرى: لن يُنفَّذ مرتين."
    ),
    "PaySafer refused: {reason}": "رفضت PaySafer: {reason}",
}


def language() -> str:
    """Return the visitor's language: chosen on the page, else the browser's."""
    chosen = session.get("lang")
    if chosen in LANGUAGES:
        return str(chosen)
    return request.accept_languages.best_match(LANGUAGES, "en")


def say(text: str) -> str:
    """Return ``text`` in the visitor's language."""
    return ARABIC.get(text, text) if language() == "ar" else text


def notice(text: str, names: Mapping[str, str]) -> str:
    """Return what the staff should know, in the reader's language.

    Ids and amounts keep their own direction within it.
    """
    isolated = {
        key: f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
        for key, name in names.items()
    }
    return say(text).format(**isolated)


def price(fils: int) -> str:
    """Return an amount of fils as the visitor writes money."""
    return Money(fils, CURRENCY).format("ar_AE" if language() == "ar" else "en_AE")


def _speak(lang: str) -> Response:
    """Remember the visitor's choice and go back to the page where it was made."""
    if lang in LANGUAGES:
        session["lang"] = lang
    return redirect(_page_before())


def _page_before() -> str:
    try:
        parts = urlsplit(request.referrer or "")
    except ValueError:  # a browser sends no such address, but others may
        return url_for("storefront.shelf")
    if parts.netloc != request.host:
        return url_for("storefront.shelf")
    return "/" + parts.path.lstrip("/")  # "//" would lead to another host


def init_app(app: Flask) -> None:
    """Give the templates the visitor's words."""
    app.add_url_rule("/language/<lang>", "language", _speak)
    app.jinja_env.globals.update(
        _=say, language=language, price=price, notice_text=notice, LANGUAGES=LANGUAGES
    )
