"""REST APIs as data: an `APIEndpoint` says what to call, `RestConnector` runs it through the same pipeline."""
