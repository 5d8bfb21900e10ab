"""What the host says when it cannot call a plugin."""

from __future__ import annotations


class PluginError(Exception):
    """Base of the errors below. The message is one line for an admin."""


class PluginMissing(PluginError):
    """No data source plugin of this name is loaded."""


class PluginConfigError(PluginError):
    """An environment variable is malformed; the message names it and the mend, never its value."""


class BadAnswer(PluginError):
    """A plugin does not implement a hook, gave no answer to it, or one that is not a value."""
