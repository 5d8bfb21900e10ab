"""The endpoints, by topic; each module's `routes(store)` makes one blueprint."""
