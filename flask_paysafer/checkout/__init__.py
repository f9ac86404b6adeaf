"""The checkout: pages on which card data goes to PaySafer and never through the shop.

``orders`` is what the merchant's loader returns; ``phases`` says what an attempt's
state means; ``service`` decides what happens; ``recovery`` finds out what became of
an attempt whose answer was lost; ``agreement`` compares order, payment and webhook;
``views`` is HTTP.
"""
