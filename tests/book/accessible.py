"""What axe-core finds on a page as it stands in the browser: `assert accessible.faults(page) == []`."""

from functools import cache

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]  # that is WCAG 2.2, levels A and AA
PHONE, DESK = {"width": 390, "height": 800}, {"width": 1280, "height": 900}
axe = cache(Axe)  # reads half a megabyte of script once


def faults(page: Page) -> list[str]:
    """A line for each violation of WCAG 2.2 AA: its rule, how many elements, the first of them and what is wrong."""
    options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
    found = axe().run(page, options=options).response["violations"]
    return [f"{one['id']} ({len(one['nodes'])}): {_told(one['nodes'][0])}" for one in found]


def faults_in_every_look(page: Page, url: str) -> list[str]:
    """The faults of an address in light and in dark colours, and as wide as a phone; each line says in which."""
    told = []
    for look, colours, size in [("light", "light", DESK), ("dark", "dark", DESK), ("phone", "light", PHONE)]:
        page.set_viewport_size(size)
        # Without motion: a page that is still fading in has other colours than the one that is read.
        page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        page.goto(url, wait_until="load")
        told += [f"{look}: {fault}" for fault in faults(page)]
        if page.evaluate("document.documentElement.scrollWidth") > size["width"]:
            told.append(f"{look}: the page is wider than the window")
    return told


def _told(node: dict) -> str:
    return f"{node['html'][:150]} {' '.join(node['failureSummary'].split())[:250]}"
