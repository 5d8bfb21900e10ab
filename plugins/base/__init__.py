"""What data source plugins share: streams, an HTTP client that can only read, pages, mapping, consent, webhooks."""
