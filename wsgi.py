"""What a WSGI server serves: ``gunicorn wsgi:app``."""

from __future__ import annotations

from core.app import served

app = served()
