"""Changes to companies and to who belongs to them."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox import items
from plugins.intercom.sandbox.changes.contacts import NEW_SALT
from plugins.intercom.sandbox.generate.companies import Company
from plugins.intercom.sandbox.generate.plan import hex_id
from plugins.intercom.sandbox.state import State, mutator

FIXED = {"type", "id", "app_id", "created_at", "updated_at", "user_count"}


class CompanyChanges(State):
    @mutator
    def create_company(self, name: str, company_id: str | None = None, **fields: Any) -> str:
        """A new company without people; returns its Intercom id. Webhook `company.created`."""
        now, number = self.clock.seconds(), self.plan.companies + self.next_number("company")
        record_id = hex_id(now, NEW_SALT, number)
        record = Company(
            {"type": "company", "company_id": company_id, "id": record_id, "app_id": self.plan.workspace, "name": name,
             "plan": {}, "remote_created_at": now, "created_at": now, "updated_at": now, "last_request_at": None,
             "size": None, "website": None, "industry": None, "monthly_spend": 0, "session_count": 0, "user_count": 0,
             "custom_attributes": {}}
        )  # fmt: skip
        self.set_fields(record, fields, FIXED)
        self.save_company(record)
        self.webhooks.emit("company.created", items.company(record))
        return record_id

    @mutator
    def update_company(self, company_id: str, **fields: Any) -> None:
        """Change fields of a company, named by its Intercom id. Webhook `company.updated`."""
        record = self.company(company_id)
        self.set_fields(record, fields, FIXED)
        self.save_company(record)
        self.webhooks.emit("company.updated", items.company(record))

    @mutator
    def delete_company(self, company_id: str) -> None:
        """Remove a company and everybody's link to it. Webhook `company.deleted`."""
        self.company(company_id)
        for contact_id in self.members(company_id):
            contact = self.contact(contact_id)
            contact.companies = [one for one in contact.companies if one != company_id]
            self.save_contact(contact, bump=False)
        self.companies.remove(company_id)
        self.webhooks.emit("company.deleted", {"type": "company", "id": company_id, "deleted": True})

    @mutator
    def attach_company(self, contact_id: str, company_id: str, bump: bool = True) -> None:
        """Webhook `company.contact.attached`."""
        contact, company = self.contact(contact_id), self.company(company_id)
        if company_id not in contact.companies:
            contact.companies.append(company_id)
            company.fields["user_count"] += 1
        self._linked("attached", contact, company, bump)

    @mutator
    def detach_company(self, contact_id: str, company_id: str, bump: bool = True) -> None:
        """Webhook `company.contact.detached`."""
        contact, company = self.contact(contact_id), self.company(company_id)
        if company_id in contact.companies:
            contact.companies.remove(company_id)
            company.fields["user_count"] -= 1
        self._linked("detached", contact, company, bump)

    def _linked(self, event: str, contact: Any, company: Company, bump: bool) -> None:
        self.save_contact(contact, bump)
        self.save_company(company, bump)
        item = {"type": "company_contact", "company": items.company(company), "contact": items.contact(contact)}
        self.webhooks.emit(f"company.contact.{event}", item)
