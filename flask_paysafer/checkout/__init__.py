"""The checkout page, on which card data never touches the shop."""
