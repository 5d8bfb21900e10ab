"""What can fail fails, in real processes, while a sync is at work and webhooks arrive; nothing is lost."""
