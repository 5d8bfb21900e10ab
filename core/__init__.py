"""Mainstem: the customer data platform that your data sources flow into."""
