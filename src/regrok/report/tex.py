"""The TeX of captions and tables as HTML, so that the report says what the paper says.

Only what `regrok.latex`, the captions and `regrok.tables.parts.booktabs` write is known; mathematics becomes MathML.
A macro that is not known is shown as it stands, where a reader sees it.
"""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

from regrok import latex

TOKEN = re.compile(
    r"\\begin\{[a-z*]+\}|\\end\{[a-z*]+\}|\\[A-Za-z]+\*? ?|\\\\\*?|\\.|[{}$~&]|---|--|``|''|`|'|[^\\{}$~&`'-]+|-",
    re.DOTALL,
)
MARKS = {
    "~": "\u00a0",
    "--": "–",
    "---": "—",
    "``": "“",
    "''": "”",
    "`": "‘",
    "'": "’",
    r"\,": "\u202f",
    r"\ ": " ",
    r"\\": "<br>",
    r"\quad": "\u2003",
    r"\ldots": "…",
    r"\textbackslash": "\\",
    r"\textasciitilde": "~",
    r"\textasciicircum": "^",
    r"\pm": "±",
}
WRAPPED = {
    r"\textbf": "strong",
    r"\emph": "em",
    r"\textit": "em",
    r"\texttt": "code",
    r"\textsubscript": "sub",
    r"\textsuperscript": "sup",
}
DECLARED = {r"\itshape": "em", r"\bfseries": "strong", r"\ttfamily": "code"}
SILENT = {r"\small": 0, r"\scriptsize": 0, r"\footnotesize": 0, r"\selectfont": 0, r"\centering": 0}
"""Macros without a meaning on a screen, with the number of their arguments."""
SILENT |= {r"\raggedright": 0, r"\arraybackslash": 0, r"\addlinespace": 0, r"\label": 1}
SILENT |= {r"\hspace": 1, r"\setlength": 2, r"\fontsize": 2}


SIGNS = {
    tex.removeprefix(r"\ensuremath{").removesuffix("}"): sign
    for sign, tex in latex._SPECIAL.items()
    if tex.startswith(r"\ensuremath{")
}
"""A formula of one sign is text: `−`, `≤`, `×`."""
GREEK = {f"\\{name}": letter for letter, name in latex._GREEK.items()}


def to_html(tex: str) -> str:
    """TeX text as HTML; mathematics (`$…$`, `\\ensuremath`) as MathML, citations left out."""
    return inner(re.sub(r"~?\\cite[pt]?\{[^}]*\}", "", tex)).strip()


def inner(tex: str) -> str:
    """As `to_html`, with the space around the text kept."""
    return _Reader(tex).until_end()


def title(caption: str) -> str:
    """The bold words that a caption starts with, as plain text without the final full stop."""
    found = re.match(r"(?:\\(?:small|footnotesize) )?\\textbf\{", caption)
    bold = argument(caption, found.end() - 1)[0] if found else caption.split(". ")[0]
    return plain(bold).rstrip(".,")


def plain(tex: str) -> str:
    """TeX text without any mark-up, for labels and attributes."""
    return html.unescape(re.sub(r"<[^>]+>", "", to_html(tex))).strip()


def argument(tex: str, start: int) -> tuple[str, int]:
    """The content of the group whose brace is at `start`, and where the text goes on."""
    depth = 0
    for token in TOKEN.finditer(tex, start):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return tex[start + 1 : token.start()], token.end()
    return tex[start + 1 :], len(tex)


LETTER = re.compile(r"([A-Za-z])_(?:([A-Za-z0-9])|\{\\mathrm\{([A-Za-z]+)\}\}|\{([A-Za-z0-9]+)\})")
"""A letter with a subscript and nothing else: T_{\\mathrm{grok}}, V_0."""


POWER = re.compile(
    r"(?:(?P<letter>[A-Za-z])|(?:(?P<factor>-?[\d.,]+) ?\\times ?)?(?P<ten>10))\^\{?(?P<power>-?\d+)\}?"
)
"""A letter or a ten with a power, as R^2 or 5.9\\times 10^{-4}: in MathML it would be of another font and size."""


def mathematics(tex: str) -> str:
    """MathML of what stands between dollars; a number, a sign, a letter with a subscript or without stay text.

    >>> mathematics("R^2"), mathematics(r"5.9\\times 10^{-4}")
    ('<i>R</i><sup>2</sup>', '5.9\\u202f×\\u202f10<sup>−4</sup>')
    """
    number = tex.replace("{,}", ",").strip()
    if number in SIGNS:
        return html.escape(SIGNS[number])
    if number in GREEK:
        return f"<i>{GREEK[number]}</i>"
    if re.fullmatch("[A-Za-z]", number):
        return f"<i>{number}</i>"
    if letter := LETTER.fullmatch(number):
        below = next(filter(None, letter.groups()[1:]))
        return f"<i>{letter[1]}</i><sub>{below}</sub>"
    if power := POWER.fullmatch(number):
        base = f"<i>{power['letter']}</i>" if power["letter"] else "10"
        factor = f"{power['factor']}\u202f×\u202f" if power["factor"] else ""
        return f"{factor}{base}<sup>{power['power']}</sup>".replace("-", "−")
    if re.fullmatch(r"-?[\d.,]+", number):
        return number.replace("-", "−")
    # As words rather than letter by letter, so that a reader can search for them and copy them.
    words = tex.replace(r"\mathrm{", r"\text{").replace(r"\bmod", r"\;\text{mod}\;")
    return convert(words.replace("{,}", r"\,"))


class _Reader:
    """Reads TeX once from left to right."""

    def __init__(self, tex: str):
        self.tex = tex
        self.at = 0

    def until_end(self) -> str:
        out: list[str] = []
        closing: list[str] = []
        while self.at < len(self.tex):
            token = TOKEN.match(self.tex, self.at)
            if token is None:
                break
            self.at = token.end()
            word = token[0].rstrip(" ") if token[0] != r"\ " else token[0]
            if word in DECLARED:
                # A declaration holds to the end of its group.
                out.append(f"<{DECLARED[word]}>")
                closing.insert(0, f"</{DECLARED[word]}>")
            else:
                out.append(self.one(word, token[0]))
        return "".join(out + closing)

    def one(self, word: str, as_written: str) -> str:
        """The HTML of one token and of its arguments."""
        if word == "$":
            end = self.tex.index("$", self.at)
            formula, self.at = self.tex[self.at : end], end + 1
            return mathematics(formula) if formula.strip("{}") else ""
        if word == "{":
            self.at -= 1
            return inner(self.group())
        if word == r"\ensuremath":
            return mathematics(self.group())
        if word in WRAPPED:
            return f"<{WRAPPED[word]}>{inner(self.group())}</{WRAPPED[word]}>"
        if word in SILENT:
            for _ in range(SILENT[word]):
                self.group()
            return ""
        if word == r"\textcolor":
            self.group()
            return f'<span class="faint">{inner(self.group())}</span>'
        if word == r"\makecell":
            return inner(self.group())
        if word == r"\rotatebox":
            self.group()
            return inner(self.group())
        if word == r"\multicolumn":
            self.group()
            self.group()
            return inner(self.group())
        if word in (r"\href", r"\url"):
            address = self.group()
            shown = self.group() if word == r"\href" else address
            return f'<a href="{html.escape(address)}">{inner(shown)}</a>'
        if word in MARKS:
            self._skip_empty_group()
            return MARKS[word]
        if len(word) == 2 and word[0] == "\\":
            return html.escape(word[1])
        return html.escape(as_written)

    def group(self) -> str:
        """The next group's content; the next character where no brace follows."""
        while self.at < len(self.tex) and self.tex[self.at] == " ":
            self.at += 1
        if self.at < len(self.tex) and self.tex[self.at] == "{":
            content, self.at = argument(self.tex, self.at)
            return content
        self.at += 1
        return self.tex[self.at - 1 : self.at]

    def _skip_empty_group(self) -> None:
        if self.tex.startswith("{}", self.at):
            self.at += 2
