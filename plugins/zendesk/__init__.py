"""Zendesk Support and Guide: users, organizations, tickets, help center, agents and groups."""

from plugins.zendesk.source import Zendesk

plugin = Zendesk()
