"""What files of products are, and the pure rules over them."""
