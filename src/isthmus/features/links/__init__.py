"""Products that several shops sell: linked by SKU, barcode or hand, with one stock and what each shop keeps back."""
