#!/usr/bin/env python3
"""Uses the site as readers without a network do, in Chromium, on a desktop's screen and on a telephone's.

    python scripts/check_site.py results/laptop/site --pictures results/laptop/looked

Every filter, ten claims, the curves of a run; no console error, no request, nothing wider than the screen. Needs
chromium and chromedriver. Ends with status 1 and one line per problem.
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
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

SCREENS = {"desktop": (1280, 900), "telephone": (390, 844)}
"""CSS pixels."""
PAGES = ("index", "ledger", "runs", "data", "cite")
CARDS = 10
PATIENCE = 30
"""Seconds to wait for what a click should show."""

VISIBLE = """
return [...document.querySelectorAll('tr.claim-row')].filter(r => r.offsetParent !== null).map(r => ({
  id: r.querySelector('a').textContent, paper: r.dataset.paper, origin: r.dataset.origin,
  corrected: 'corrected' in r.dataset, words: r.textContent.toLowerCase(),
  verdict: [...r.querySelectorAll('.ruled .chip')].filter(c => c.offsetParent !== null).map(c => c.textContent.trim()),
  scale: [...r.querySelectorAll('.ruled [data-scale]')].filter(c => c.offsetParent !== null).map(c => c.dataset.scale),
}))"""
"""What a reader sees of the ledger: of each row that shows, which claim it is and the verdict that it shows."""
LISTED = """
return [...document.querySelectorAll('#runs tbody tr')].map(r => {
  const cell = (name) => r.querySelector(`[data-label="${name}"]`).textContent;
  return {id: r.querySelector('button').textContent, key: r.dataset.run, experiment: cell('experiment').split(', '),
          scale: cell('scale'), outcome: cell('outcome'), words: r.textContent.toLowerCase()};
})"""
LINES = """
return [...document.querySelectorAll(`#chart-${arguments[0]} .mark-line path`)].map(p => p.getAttribute('d') || '')"""
BESIDE = """
const {fields, rows} = regrok.runs, at = (row, name) => row[fields.indexOf(name)];
const own = rows.find(row => `${at(row, 'scale')}/${at(row, 'id')}` === arguments[0]);
return rows.filter(row => at(row, 'cell') === at(own, 'cell') && at(row, 'file') === at(own, 'file')).length - 1"""
"""How many other runs the cell of one has."""
OVERFLOW = """
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= wide) return null;
const out = [...document.querySelectorAll('main *')].find(e => e.getBoundingClientRect().right > wide + 1);
const where = out ? `, at ${out.outerHTML.slice(0, 120)}` : '';
return `${document.documentElement.scrollWidth} of ${wide} pixels${where}`"""
UNLABELLED = """
return [...document.querySelectorAll('select, input, button, img, svg[role=img], a')].filter(e => {
  const named = e.labels && e.labels.length || e.getAttribute('aria-label') || e.alt || e.textContent.trim();
  return !named;
}).map(e => e.outerHTML.slice(0, 120))"""


@dataclass
class Found:
    """What a walk through the site saw."""

    claims: dict[str, str] = field(default_factory=dict)
    """Claim → leading verdict, of the ledger as it opens."""
    cards: list[str] = field(default_factory=list)
    """Claims whose page was read."""
    curves: list[str] = field(default_factory=list)
    """Runs whose curves were drawn, once a screen."""
    filters: int = 0
    """Choices of a filter that were tried."""
    problems: list[str] = field(default_factory=list)


class Reader:
    """Reads the site on one screen."""

    def __init__(
        self, driver: WebDriver, site: Path, screen: str, found: Found, pictures: Path | None
    ):
        self.driver = driver
        self.site = site
        self.screen = screen
        self.found = found
        self.pictures = pictures
        width, height = SCREENS[screen]
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": screen == "telephone",
            },
        )

    def walk(self) -> None:
        for name in PAGES:
            self.visit(f"{name}.html")
            self.page(name)
        self.ledger()
        self.cards()
        self.runs()

    # Pages -------------------------------------------------------------------------------------------

    def visit(self, address: str) -> None:
        name, mark, rest = address.partition("?")
        # From elsewhere first: an address that differs in its fragment alone loads nothing.
        self.driver.get("about:blank")
        self.driver.get(f"{(self.site / name).resolve().as_uri()}{mark}{rest}")

    def page(self, name: str) -> None:
        """What every page must have: one title, its landmarks, names for all that is operated, and room."""
        for landmark in ("header", "nav", "main", "footer", "main h1"):
            if not self.driver.find_elements(By.CSS_SELECTOR, landmark):
                self.problem(name, f"has no {landmark}")
        if len(self.driver.find_elements(By.TAG_NAME, "h1")) != 1:
            self.problem(name, "has not one h1")
        if nameless := self.driver.execute_script(UNLABELLED):
            self.problem(name, f"{len(nameless)} elements without a name, such as {nameless[0]}")
        self.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
        if self.driver.switch_to.active_element.get_attribute("class") != "skip":
            self.problem(name, "the first stop of the keyboard is not the link to the content")
        self.room(name)

    def room(self, name: str) -> None:
        """Nothing may be wider than the screen."""
        if wide := self.driver.execute_script(OVERFLOW):
            self.problem(name, f"is wider than the screen: {wide}")
        self.picture(name)

    # The ledger --------------------------------------------------------------------------------------

    def ledger(self) -> None:
        self.visit("ledger.html")
        rows = self.driver.execute_script(VISIBLE)
        self.found.claims = {row["id"]: row["verdict"][0] for row in rows}
        for key in ("paper", "origin", "verdict", "scale"):
            for value in self.choices(key):
                self.choose(key, value)
                shown = self.counted("ledger", VISIBLE)
                for row in shown:
                    if row[key] not in (value, [value]):
                        self.problem("ledger", f"{key} = {value} shows {row['id']}: {row[key]}")
                if key in ("paper", "origin") and len(shown) != sum(r[key] == value for r in rows):
                    self.problem("ledger", f"{key} = {value} hides some")
                if key == "verdict" and len(shown) != list(self.found.claims.values()).count(value):
                    self.problem("ledger", f"verdict = {value} hides some")
            self.choose(key, "")
        word = rows[0]["id"].lower()
        box = self.driver.find_element(By.NAME, "words")
        box.send_keys(word)
        shown = self.counted("ledger", VISIBLE)
        if not shown or any(word not in row["words"] for row in shown):
            self.problem("ledger", f"the word {word} finds {[row['id'] for row in shown][:3]}")
        box.clear()
        box.send_keys("nosuchwordanywhere")
        if self.counted("ledger", VISIBLE):
            self.problem("ledger", "a word that is nowhere finds claims")
        self.driver.find_element(By.CSS_SELECTOR, "#filters [type=reset]").click()
        self.until(lambda _: len(self.driver.execute_script(VISIBLE)) == len(rows))
        tick = self.driver.find_element(By.NAME, "corrected")
        tick.click()
        held = self.driver.find_elements(By.CSS_SELECTOR, "tr.claim-row[data-corrected]")
        if len(self.counted("ledger", VISIBLE)) != len(rows) + len(held):
            self.problem("ledger", "corrected entries are not shown when they are asked for")
        self.linked(rows)
        self.room("ledger, filtered")

    def linked(self, rows: list[dict[str, Any]]) -> None:
        """A view can be linked: its address brings it back."""
        row = rows[-1]
        self.visit(f"ledger.html?paper={row['paper']}&origin={row['origin']}")
        shown = self.counted("ledger", VISIBLE)
        wanted = [
            r["id"] for r in rows if (r["paper"], r["origin"]) == (row["paper"], row["origin"])
        ]
        if [each["id"] for each in shown] != wanted:
            self.problem("ledger", "an address with filters shows another view")

    def choices(self, name: str) -> list[str]:
        menu = Select(self.driver.find_element(By.NAME, name))
        return [v for o in menu.options if (v := o.get_attribute("value"))]

    def choose(self, name: str, value: str) -> None:
        Select(self.driver.find_element(By.NAME, name)).select_by_value(value)
        self.found.filters += bool(value)

    def counted(self, page: str, script: str) -> list[dict[str, Any]]:
        """The rows that show; the count that a screen reader hears has to be theirs."""
        rows = self.driver.execute_script(script)
        count = self.driver.find_element(By.ID, "count").text
        if page == "ledger" and not count.startswith(f"{len(rows)} of "):
            self.problem(page, f"{len(rows)} rows show, and it says: {count}")
        return rows

    # Claims ------------------------------------------------------------------------------------------

    def cards(self) -> None:
        """Ten claims from all of the ledger, the first and the last among them."""
        names = list(self.found.claims)
        last = len(names) - 1
        for name in [names[round(i * last / (CARDS - 1))] for i in range(CARDS)]:
            self.visit(f"claims/{name}.html")
            page = f"claim {name}"
            self.page(page)
            heading = self.driver.find_element(By.TAG_NAME, "h1").text
            if name not in heading or self.found.claims[name] not in heading:
                self.problem(
                    page, f"is headed {heading}, the ledger says {self.found.claims[name]}"
                )
            for image in self.driver.find_elements(By.TAG_NAME, "img"):
                self.driver.execute_script("arguments[0].scrollIntoView()", image)
                self.until(lambda _, image=image: image.get_property("complete"))
                if image.get_property("naturalWidth") < 300:
                    self.problem(page, "a figure does not show")
            lines = self.driver.find_elements(By.CSS_SELECTOR, "svg.interval")
            if any(line.size["width"] < 200 for line in lines):
                self.problem(page, "an interval is not drawn")
            self.found.cards.append(name)

    # Runs --------------------------------------------------------------------------------------------

    def runs(self) -> None:
        self.visit("runs.html")
        whole = self.driver.execute_script(LISTED)
        if not whole:
            self.problem("runs", "none is listed")
            return
        for key in ("scale", "experiment", "outcome"):
            for value in self.choices(key):
                self.choose(key, value)
                shown = self.counted("runs", LISTED)
                if not shown:
                    self.problem("runs", f"{key} = {value} shows none")
                for row in shown:
                    if row[key] != value and value not in row[key]:
                        self.problem("runs", f"{key} = {value} shows {row['id']}: {row[key]}")
            self.choose(key, "")
        box = self.driver.find_element(By.NAME, "words")
        box.send_keys(whole[-1]["id"])
        shown = self.counted("runs", LISTED)
        if whole[-1]["key"] not in [row["key"] for row in shown]:
            self.problem("runs", f"the word {whole[-1]['id']} does not find that run")
        self.curves(whole[-1]["key"])
        self.driver.find_element(By.ID, "log").click()
        self.drawn("by logarithm")
        alone, others = (
            len(self.paths("accuracy")),
            self.driver.execute_script(BESIDE, whole[-1]["key"]),
        )
        self.driver.find_element(By.ID, "others").click()
        self.until(lambda _: len(self.paths("accuracy")) == alone + others)
        self.room("runs, with other seeds")
        # A run can be linked as well.
        self.visit(f"runs.html?#{whole[0]['key']}")
        self.until(lambda d: d.find_element(By.ID, "shown").get_attribute("data-drawn"))
        self.drawn(whole[0]["key"])

    def curves(self, key: str) -> None:
        """Choose a run with the keyboard and look at its curves, its points and its settings."""
        row = self.driver.find_element(By.CSS_SELECTOR, f'[data-run="{key}"]')
        row.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        self.until(lambda d: d.find_element(By.ID, "shown").get_attribute("data-drawn") == key)
        if self.driver.switch_to.active_element.get_attribute("id") != "shown-title":
            self.problem("runs", "the keyboard is not led to the curves")
        self.drawn(key)
        for name in ("points", "settings"):
            self.driver.find_element(By.CSS_SELECTOR, f"#{name} summary").click()
        if len(self.driver.find_elements(By.CSS_SELECTOR, "#points tbody tr")) < 2:
            self.problem("runs", "the points of a run are not in the table")
        if "weight_decay" not in self.driver.find_element(By.ID, "settings").text:
            self.problem("runs", "the settings of a run are not listed")
        self.room("runs, one with its points")

    def drawn(self, what: str) -> None:
        """Three charts, each with a line that goes somewhere."""
        for name in ("accuracy", "loss", "V"):
            chart = self.driver.find_element(By.ID, f"chart-{name}")
            if not any(path.count("L") > 1 for path in self.paths(name)):
                self.problem("runs", f"{name} of {what} is not drawn")
            if len(chart.get_attribute("aria-label") or "") < 40:
                self.problem("runs", f"{name} of {what} has no description")
        self.found.curves.append(what)
        self.driver.execute_script("document.getElementById('shown').scrollIntoView()")
        self.room(f"runs, {what.replace('/', ' ')}")

    def paths(self, name: str) -> list[str]:
        """The lines of a chart."""
        return self.driver.execute_script(LINES, name)

    # The browser -------------------------------------------------------------------------------------

    def until(self, condition: Any) -> Any:
        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(condition)

    def picture(self, name: str) -> None:
        if self.pictures:
            self.pictures.mkdir(parents=True, exist_ok=True)
            path = self.pictures / f"{self.screen} {name}.png".replace(" ", "_")
            self.driver.save_screenshot(str(path))

    def problem(self, page: str, words: str) -> None:
        self.found.problems.append(f"{self.screen}, {page}: {words}")


def walk(site: Path, pictures: Path | None = None) -> Found:
    """Read a site on both screens."""
    found = Found()
    with browser() as driver:
        for screen in SCREENS:
            Reader(driver, site, screen, found, pictures).walk()
            found.problems += [
                f"{screen}: it asks for {address}" for address in foreign_requests(driver)
            ]
            found.problems += [f"{screen}: console: {words}" for words in console_errors(driver)]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    arguments = parser.parse_args()
    try:
        found = walk(arguments.site, arguments.pictures)
    except (TimeoutException, WebDriverException, StopIteration) as error:
        print(f"{arguments.site}: the browser gave up: {error}", file=sys.stderr)
        return 1
    if not found.claims or not found.curves:
        found.problems.append("the site shows nothing")
    for problem in found.problems:
        print(problem, file=sys.stderr)
    print(
        f"{arguments.site}: {len(found.claims)} claims, {found.filters} choices of filters, "
        f"{len(found.cards)} pages of claims and {len(found.curves)} drawings of runs on {len(SCREENS)} screens"
    )
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
