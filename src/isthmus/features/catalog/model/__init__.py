"""The catalog's pure part: how providers are shown, found and sorted, and what an app is bound to."""
