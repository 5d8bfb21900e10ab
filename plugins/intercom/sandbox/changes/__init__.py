"""Changes to the workspace, by topic. Each one moves times and sends webhooks as Intercom does."""
