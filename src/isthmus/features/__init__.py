"""The rooms of the product, in the order that the import contract declares."""
