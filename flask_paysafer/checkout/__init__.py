"""The checkout: pages on which card data goes to PaySafer and never through the shop.

``orders`` is what the merchant's loader returns; ``service`` decides what happens to an
order; ``resolver`` finds out what became of an attempt; ``payments`` is what is asked of
PaySafer and how an answer is verified; ``phases`` says what a customer is shown; ``views``
is HTTP, ``forms`` what comes in by it, ``rendering`` and ``texts`` what goes out.
"""
