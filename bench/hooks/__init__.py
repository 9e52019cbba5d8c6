"""The far sides of the webhook benchmark."""
