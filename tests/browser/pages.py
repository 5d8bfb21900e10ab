"""What every browser test asks of a page, whatever is on it."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize

NARROW: ViewportSize = {"width": 390, "height": 844}
WIDE: ViewportSize = {"width": 1440, "height": 900}


def faults(page: Page) -> list[str]:
    """Return what is wrong in both themes, on a phone and on a wide screen: axe-core's findings, and what overflows."""
    found: list[str] = []
    for window in (NARROW, WIDE):
        page.set_viewport_size(window)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            violations = Axe().run(page).response["violations"]
            found += [f"{page.url} {each['id']}: {node['html']}" for each in violations for node in each["nodes"]]
            width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found += [f"{page.url} is {width} px too wide at {window['width']} px"] if width else []
    return found
