"""Intercom: contacts, companies, conversations, tickets, help center, teammates."""

from plugins.intercom.source import Intercom

plugin = Intercom()
