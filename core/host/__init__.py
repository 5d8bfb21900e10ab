"""Finds, checks and calls plugins; knows no database."""

from core.host.errors import BadAnswer, PluginConfigError, PluginError, PluginMissing
from core.host.host import Host, PluginReport

__all__ = ["BadAnswer", "Host", "PluginConfigError", "PluginError", "PluginMissing", "PluginReport"]
