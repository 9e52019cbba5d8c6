"""Use cases of products that several shops sell."""
