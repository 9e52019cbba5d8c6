"""Use cases of the vault: sealing and opening, and changing the keys while both go on."""
