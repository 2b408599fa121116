"""Chromium without a window and without a network, and what it noted: for the checks of the report and of the site."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
LOCAL = ("file:", "data:", "blob:", "about:", "chrome:", "devtools:")


@contextmanager
def browser(size: tuple[int, int] = (1500, 1000)) -> Iterator[WebDriver]:
    """Chromium without a window and without a network."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(path for name in CHROMIUM if (path := shutil.which(name)))
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "disable-background-networking",
        "hide-scrollbars",
        f"window-size={size[0]},{size[1]}",
        # No name resolves, so that a forgotten address cannot be fetched unnoticed.
        "host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        yield driver
    finally:
        driver.quit()


def foreign_requests(driver: WebDriver) -> list[str]:
    """Addresses that the page asked for and that are not on this machine; nothing may be asked of the network."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if not address.startswith(LOCAL):
                found.append(address)
    return found


def console_errors(driver: WebDriver) -> list[str]:
    """Errors on the browser's console."""
    return [e["message"] for e in driver.get_log("browser") if e["level"] == "SEVERE"]
