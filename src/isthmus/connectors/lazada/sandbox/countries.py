"""The six countries and their money (reference 3.1)."""

CURRENCIES = {"VN": "VND", "SG": "SGD", "MY": "MYR", "TH": "THB", "PH": "PHP", "ID": "IDR"}
