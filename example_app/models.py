"""What the shop stores: coffees, orders and notices for the staff."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import click
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, ForeignKey, String, exists, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_paysafer import Money

CURRENCY = "aed"
HELD_FOR = timedelta(minutes=20)


class Base(DeclarativeBase):
    """Base of the shop's tables."""


db = SQLAlchemy(model_class=Base)


class Coffee(Base):
    """One coffee on the shelf. Prices are in fils; 100 fils are one dirham."""

    __tablename__ = "coffee"
    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    name_ar: Mapped[str] = mapped_column(String(80))
    notes: Mapped[str] = mapped_column(String(120))
    notes_ar: Mapped[str] = mapped_column(String(120))
    price_fils: Mapped[int]
    roasted_to_order: Mapped[bool] = mapped_column(default=False)

    def name_in(self, language: str) -> str:
        """Return what the coffee is called."""
        return self.name_ar if language == "ar" else self.name

    @property
    def price(self) -> Money:
        """What one bag costs."""
        return Money(self.price_fils, CURRENCY)


class Order(Base):
    """What somebody wants to buy, and what became of it."""

    __tablename__ = "shop_order"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=lambda: uuid.uuid4().hex)
    status: Mapped[str] = mapped_column(String(20), default="open")
    total_fils: Mapped[int] = mapped_column(default=0)
    refunded_fils: Mapped[int] = mapped_column(default=0)
    payment_id: Mapped[str | None] = mapped_column(String(255))
    fulfilments: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    lines: Mapped[list[OrderLine]] = relationship(back_populates="order", cascade="all")

    @property
    def total(self) -> Money:
        """What the order costs: the sum of its lines when it was placed."""
        return Money(self.total_fils, CURRENCY)

    @property
    def refunded(self) -> Money:
        """What was given back of it."""
        return Money(self.refunded_fils, CURRENCY)

    def title_in(self, language: str) -> str:
        """Return what is in it, in a line."""
        comma = "، " if language == "ar" else ", "
        return comma.join(
            f"{line.quantity} × {line.coffee.name_in(language)}" for line in self.lines
        )

    @property
    def held_until(self) -> datetime | None:
        """How long a lot of the founders' is kept for this order; None for all else."""
        if not self.roasted_to_order:
            return None
        return self.created_at.replace(tzinfo=UTC) + HELD_FOR

    @property
    def roasted_to_order(self) -> bool:
        """Whether the card is only charged once the roast is done."""
        return any(line.coffee.roasted_to_order for line in self.lines)


class OrderLine(Base):
    """One coffee in one order, at the price of that day."""

    __tablename__ = "shop_order_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("shop_order.id"))
    slug: Mapped[str] = mapped_column(ForeignKey("coffee.slug"))
    quantity: Mapped[int]
    price_fils: Mapped[int]
    order: Mapped[Order] = relationship(back_populates="lines")
    coffee: Mapped[Coffee] = relationship()

    @property
    def total(self) -> Money:
        """What all bags of the line cost."""
        return Money(self.price_fils * self.quantity, CURRENCY)


class Notice(Base):
    """Something the staff should know: a dispute, a payout, a failed card.

    The text has names in braces, so that it can be said in any language.
    """

    __tablename__ = "staff_notice"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(255))
    names: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


SHELF = [
    ("jebel-jais", "Jebel Jais", "جبل جيس", "Yemeni Haraz: dried fig, cocoa, cardamom",
     "حراز يمني: تين مجفف، كاكاو، هيل", 6800, False),
    ("al-fahidi", "Al Fahidi", "الفهيدي", "Ethiopian Guji: jasmine, apricot, honey",
     "غوجي إثيوبي: ياسمين، مشمش، عسل", 7250, False),
    ("creek-blend", "Creek Blend", "خلطة الخور", "Brazil and India: hazelnut, dark chocolate",
     "البرازيل والهند: بندق، شوكولاتة داكنة", 5400, False),
    ("liwa-decaf", "Liwa Decaf", "ليوا منزوع الكافيين", "Colombian Huila: date syrup, orange",
     "هويلا كولومبي: دبس التمر، برتقال", 5900, False),
    ("majlis-gahwa", "Majlis Gahwa", "قهوة المجلس", "Light roast with saffron and cardamom",
     "تحميص خفيف مع الزعفران والهيل", 8500, False),
    ("founders-lot", "Founders' Lot", "دفعة المؤسسين", "Panama Geisha, roasted to order",
     "غيشا بنما، تُحمّص عند الطلب", 21000, True),
]  # fmt: skip


def open_shop() -> None:
    """Make the tables and fill the shelf, whoever of several workers comes first."""
    try:
        db.create_all()
        if not db.session.scalar(select(exists().select_from(Coffee))):
            columns = [column.key for column in Coffee.__table__.columns]
            db.session.add_all(Coffee(**dict(zip(columns, row, strict=True))) for row in SHELF)
            db.session.commit()
    except (IntegrityError, OperationalError):
        db.session.rollback()
        if not db.session.scalar(select(exists().select_from(Coffee))):
            raise
        click.echo("Another worker opened the shop.")
