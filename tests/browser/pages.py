"""What every browser test asks of a page, whatever is on it."""

from __future__ import annotations

from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, ViewportSize, expect

NARROW: ViewportSize = {"width": 390, "height": 844}
WIDE: ViewportSize = {"width": 1440, "height": 900}
LOOKS: tuple[tuple[ViewportSize, Literal["light", "dark"]], ...] = ((NARROW, "dark"), (WIDE, "light"))
# What is in order stays in the browser: there is far more of it.
FIND_VIOLATIONS = """async () => {
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}"""


class Complaints(list[str]):
    """What pages write to the console as a warning or error."""

    def __init__(self) -> None:
        super().__init__()
        self._expected: tuple[str, ...] = ()

    def expect(self, *statuses: int) -> None:
        """Let answers with these statuses be meant; what the browser says of them may come late."""
        self._expected += tuple(f"status of {status}" for status in statuses)

    def unexpected(self) -> list[str]:
        """Return what no test has asked for."""
        return [told for told in self if not any(expected in told for expected in self._expected)]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE_SCRIPT)
    return [f"{page.url} {found}" for found in page.evaluate(FIND_VIOLATIONS)]


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
