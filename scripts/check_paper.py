#!/usr/bin/env python3
"""Fails unless a built PDF has text, says what it should, and has figures that are not blank.

A page that captions a figure must show coloured ink outside the boxes of its words: a figure that
came out blank, or went missing, leaves none. (pdfimages lists no vector graphics.)
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

SHARPNESS = (
    2  # pixels per PDF point, the unit of the word boxes: at one, thin lines lose their colour
)
LEAST_COLOURED = 200  # pixels; a line through two runs in a panel of half a column has some 280, a blank figure none


def run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


def pages(pdf: Path) -> int:
    match = re.search(rb"^Pages:\s+(\d+)", run("pdfinfo", str(pdf)), re.MULTILINE)
    assert match is not None
    return int(match.group(1))


def picture(pdf: Path, page: int) -> np.ndarray:
    """The page as (height, width, 3) integers, 0 to 255."""
    resolution = str(72 * SHARPNESS)
    ppm = run("pdftoppm", "-r", resolution, "-f", str(page), "-l", str(page), str(pdf))
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
    assert header is not None
    width, height = int(header.group(1)), int(header.group(2))
    return np.frombuffer(ppm, np.uint8, offset=header.end()).reshape(height, width, 3).astype(int)


def coloured_ink(pdf: Path, page: int) -> int:
    """Number of coloured pixels outside the page's words (links are coloured words)."""
    image = picture(pdf, page)
    coloured = image.max(axis=2) - image.min(axis=2) > 60
    boxes = run("pdftotext", "-bbox", "-f", str(page), "-l", str(page), str(pdf), "-").decode()
    for box in re.findall(r'<word xMin="(.+?)" yMin="(.+?)" xMax="(.+?)" yMax="(.+?)">', boxes):
        left, top, right, bottom = (SHARPNESS * float(edge) for edge in box)
        if bottom - top < 30 * SHARPNESS:  # a watermark's box covers the page
            coloured[int(top) - 1 : int(bottom) + 2, int(left) - 1 : int(right) + 2] = False
    return int(coloured.sum())


def complaints(pdf: Path, says: list[str]) -> list[str]:
    found = []
    texts = [
        run("pdftotext", "-f", str(n), "-l", str(n), str(pdf), "-").decode()
        for n in range(1, pages(pdf) + 1)
    ]
    whole = " ".join(" ".join(texts).split())
    if len(whole.split()) < 300:
        found.append(f"only {len(whole.split())} words of text")
    found += [f"nowhere says “{phrase}”" for phrase in says if phrase.lower() not in whole.lower()]
    if "??" in whole:
        found.append("has a reference that LaTeX could not resolve (??)")
    figures = {
        n: re.findall(r"^\s*(?:Figure|Fig\.)\s+\d+[:.]", text, re.MULTILINE)
        for n, text in enumerate(texts, start=1)
    }
    if not any(figures.values()):
        found.append("has no figure")
    for n, captions in figures.items():
        if captions and coloured_ink(pdf, n) < LEAST_COLOURED * len(captions):
            found.append(f"page {n} has the caption {captions[0].strip()} and hardly any ink")
    print(f"{pdf}: {len(texts)} pages, {len(whole.split())} words, ", end="")
    print(f"{sum(map(len, figures.values()))} figures")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pdf", type=Path)
    parser.add_argument("--says", action="append", default=[], metavar="PHRASE")
    arguments = parser.parse_args()
    if not arguments.pdf.exists():
        print(f"{arguments.pdf} was not built", file=sys.stderr)
        return 1
    found = complaints(arguments.pdf, arguments.says)
    for complaint in found:
        print(f"{arguments.pdf} {complaint}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
