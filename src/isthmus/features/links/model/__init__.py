"""Which variants are the same thing, and how its stock is shared between shops (pure)."""
