"""What a browser says of pages that it shows."""

from collections.abc import Iterable
from typing import Any


def complaints(browser: Any, addresses: Iterable[str], width: int, scheme: str = "light") -> list[str]:
    """Pages that are wider than the window, and all that was said to the log while they were shown."""
    said: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append("a dialog opened"))
    for address in addresses:
        page.goto(address)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wider > 0:
            said.append(f"{address} is {wider} pixels wider than {width}")
    return said
