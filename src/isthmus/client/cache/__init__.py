"""A private HTTP cache (RFC 9111): its keys hold the partition, the identity and every header that may be secret."""
