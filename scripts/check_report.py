#!/usr/bin/env python3
"""Looks at the HTML report as a reader without a network does: in Chromium, clicking through every item.

    python scripts/check_report.py results/smoke/report.html --pictures results/smoke/report

Needs chromium and chromedriver. Ends with status 1 and one line per problem.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chromium import browser, console_errors, foreign_requests
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE = 60
"""Seconds to wait for what a click should show: on a busy machine the first paint takes long."""


@dataclass
class Found:
    """What a walk through the report saw."""

    listed: dict[str, str] = field(default_factory=dict)
    """File of the item → study and question under which it is listed."""
    claims: dict[str, str] = field(default_factory=dict)
    """Claim → verdict, from the first page."""
    problems: list[str] = field(default_factory=list)


class Reader:
    """Clicks through one report."""

    def __init__(self, driver: WebDriver, pictures: Path | None):
        self.driver = driver
        self.pictures = pictures
        self.found = Found()

    def walk(self, report: Path) -> Found:
        """Open the report, read the first page, then show every item of every question."""
        self.driver.get(report.resolve().as_uri())
        self.first_page()
        tree = self.driver.execute_script("return categories")
        for category, questions in tree.items():
            for question, paths in questions.items():
                for path in paths:
                    self.home()
                    self.item(category, question, path, single=len(questions) == 1)
        self.noted()
        return self.found

    def first_page(self) -> None:
        self.wait(".regrok.front h1")
        self.wait("#rulegraph canvas, #rulegraph svg")
        for row in self.driver.find_elements(By.CSS_SELECTOR, ".front table.ledger tbody tr"):
            cells = row.find_elements(By.TAG_NAME, "td")
            if len(cells) == 7:
                chip = cells[5].find_element(By.CLASS_NAME, "chip")
                self.found.claims[cells[0].text] = chip.text
        self.picture("first page")

    def home(self) -> None:
        """Back to the menu of studies."""
        self.driver.execute_script("app.setView({navbarMode: 'menu', content: 'rulegraph'})")
        self.wait(".regrok.front h1")

    def item(self, category: str, question: str, path: str, single: bool) -> None:
        """Find one item by clicking, show it, and look whether something is there."""
        self.click_link(category)
        if not single:
            self.click_link(question)
        labels = self.driver.execute_script("return results[arguments[0]].labels", path)
        name = labels["item"]
        row = self.row(name)
        if row is None:
            self.found.problems.append(f"{path}: not listed under {category}, {question}")
            return
        self.found.listed[path] = f"{category} / {question}"
        shown = [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        if missing := [word for word in labels.values() if word not in shown]:
            self.found.problems.append(f"{path}: labels {missing} are not shown")
        view, about = row.find_elements(By.TAG_NAME, "a")
        view.click()
        self.content(path)
        about.click()
        caption = self.wait("nav .regrok p").text
        if len(caption) < 20:
            self.found.problems.append(f"{path}: no caption beside it")

    def content(self, path: str) -> None:
        """What the item's frame shows."""
        frame = self.wait("iframe")
        self.driver.switch_to.frame(frame)
        try:
            self.wait("main h1")
            for image in self.driver.find_elements(By.TAG_NAME, "img"):
                self.until(lambda d, image=image: image.get_property("complete"))
                if image.get_property("naturalWidth") < 300 or not image.get_attribute("alt"):
                    self.found.problems.append(f"{path}: the picture does not show")
            kind = Path(path).name.partition("_")[0]
            if kind == "figure" and not self.driver.find_elements(By.TAG_NAME, "img"):
                self.found.problems.append(f"{path}: no picture")
            if kind == "table" and not self.driver.find_elements(By.CSS_SELECTOR, "tbody tr"):
                self.found.problems.append(f"{path}: no rows")
        except TimeoutException:
            self.found.problems.append(f"{path}: nothing shows")
        finally:
            self.driver.switch_to.default_content()
        self.picture(Path(path).stem)

    # The page ----------------------------------------------------------------------------------------

    def click_link(self, words: str) -> None:
        def there(driver: WebDriver) -> Any:
            links = driver.find_elements(By.CSS_SELECTOR, "nav li a")
            return next((link for link in links if link.text == words), None)

        self.until(there).click()

    def row(self, words: str) -> WebElement | None:
        self.wait("nav tbody tr")
        for row in self.driver.find_elements(By.CSS_SELECTOR, "nav tbody tr"):
            if row.find_elements(By.TAG_NAME, "td")[0].text == words:
                return row
        return None

    def wait(self, selector: str) -> WebElement:
        return self.until(lambda d: next(iter(d.find_elements(By.CSS_SELECTOR, selector)), None))

    def until(self, condition: Any) -> Any:
        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(condition)

    def picture(self, name: str) -> None:
        if self.pictures:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(self.pictures / f"{name.replace(' ', '_')}.png"))

    # What the browser noted --------------------------------------------------------------------------

    def noted(self) -> None:
        """Nothing may be asked of the network, and nothing may fail in the browser."""
        asked = foreign_requests(self.driver)
        self.found.problems += [f"the report asks for {address}" for address in asked]
        self.found.problems += [f"console: {words}" for words in console_errors(self.driver)]


def walk(report: Path, pictures: Path | None = None) -> Found:
    """Open a report and click through all of it."""
    with browser() as driver:
        return Reader(driver, pictures).walk(report)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--pictures", type=Path, help="a folder for a screenshot of every page")
    arguments = parser.parse_args()
    try:
        found = walk(arguments.report, arguments.pictures)
    except (WebDriverException, StopIteration) as error:
        print(f"{arguments.report}: the browser gave up: {error}", file=sys.stderr)
        return 1
    if not found.listed or not found.claims:
        found.problems.append("the report lists nothing")
    for problem in found.problems:
        print(problem, file=sys.stderr)
    print(
        f"{arguments.report}: {len(found.claims)} verdicts on the first page, {len(found.listed)} items shown"
    )
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
