"""Use cases of connections: begin and finish a consent, keep tokens, lend a bound client, test, disconnect."""
