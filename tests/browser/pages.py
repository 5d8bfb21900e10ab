"""What every browser test asks of a page, whatever is on it."""

from __future__ import annotations

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

NARROW: ViewportSize = {"width": 390, "height": 844}
WIDE: ViewportSize = {"width": 1440, "height": 900}
LOOKS: tuple[tuple[ViewportSize, Literal["light", "dark"]], ...] = ((NARROW, "dark"), (WIDE, "light"))


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page."""
    found = Axe().run(page).response["violations"]
    return [f"{page.url} {each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def faults(page: Page) -> list[str]:
    """Return what is wrong on a phone in the dark and on a wide screen by day: violations, and what overflows."""
    found: list[str] = []
    for window, scheme in LOOKS:
        page.set_viewport_size(window)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
        found += violations(page)
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{page.url} is {width} px too wide at {window['width']} px"] if width else []
        if (titles := page.get_by_role("heading", level=1).count()) != 1:
            found.append(f"{page.url} has {titles} titles")
    return found
