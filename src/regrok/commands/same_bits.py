"""`regrok same-bits`: whether the working tree trains the same bits as a commit."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regrok.training.same_bits import Found, Judgement


FETCH = "Fetch it from the project's repository, or clone that anew"


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "same-bits",
        help="prove that the training code trains the same bits as a commit's, so that stored runs still serve",
        description="Train a small run of every model, optimiser, task and batch kind with the code of a commit and "
        "with the working tree, on this machine, and compare every number logged, the final parameters and the "
        "optimiser's state bit for bit. Stored runs serve the present code only where it says the same as the code "
        "that trained them, or where this proof is declared.",
        epilog="examples: regrok same-bits · regrok same-bits HEAD~1 · regrok same-bits --declare",
    )
    parser.add_argument(
        "base",
        nargs="?",
        metavar="BASE",
        help="the commit (default: each that the released runs name)",
    )
    parser.add_argument(
        "--declare",
        action="store_true",
        help="write the present fingerprints into training/generations.yaml as equal to BASE's, if they are",
    )
    parser.add_argument("--device", default="cpu", help="where to train (%(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from regrok.released.commits import UNSHALLOW, has_commit, is_shallow, resolve

    if arguments.base:
        bases = [resolve(arguments.base)]
    else:
        bases = released_commits()
        if not bases:
            print("no released runs here name a commit: name one (regrok same-bits COMMIT)")
            return 0
        try:
            absent = [base for base in bases if not has_commit(base)]
        except RegrokError as error:
            print(f"nothing can be compared with the code that trained the released runs: {error}")
            return 0
        if absent:
            print(
                f"commit {absent[0][:12]}, which trained released runs, is not in this clone, so nothing can be "
                "compared with it. " + (UNSHALLOW if is_shallow() else FETCH)
            )
            return 0
    return max(prove(base, arguments.declare, arguments.device) for base in bases)


def released_commits(folder: Path = Path("results/released")) -> list[str]:
    """The commits that the bundle names as having trained its runs."""
    records = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*/provenance.json"))
    ]
    return list(dict.fromkeys(each["commit"] for record in records for each in record["training"]))


def prove(base: str, declare: bool, device: str) -> int:
    """Train, compare, say what follows; the exit status."""
    from regrok.released.commits import sources_at
    from regrok.training import generations
    from regrok.training.fingerprint import PACKAGE
    from regrok.training.same_bits import compare, judge, train

    began = time.monotonic()
    with sources_at(base) as source:
        theirs, ours = train([source, PACKAGE.parent], device=device)
    found = compare(theirs, ours)
    print("\n".join(line(each) for each in found))
    judged = judge(theirs, ours, found, generations.read())
    compared = sum(each.runs for each in found)
    parted = [each for each in found if each.parted]
    print(
        f"{compared} runs of {len(found)} kinds by commit {base[:12]} and by the working tree: "
        + (f"{len(parted)} kinds differ" if parted else "the same bits")
        + f" ({time.monotonic() - began:.0f} s)"
    )
    # A file that is wrong in one entry is not added to: it would serve stored runs on.
    if declare and judged.to_declare and not judged.false:
        write(base, theirs, judged, compared)
    said = verdict(judged, base, declare)
    print("\n".join(said))
    wrong = bool(judged.false) or (declare and bool(judged.anew))
    return int(wrong or (bool(judged.to_declare) and not declare))


def line(found: Found) -> str:
    """One kind."""
    head = f"{found.kind.pair:22} {found.kind.name:36}"
    if found.refused:
        return f"{head} not compared: {found.refused}"
    apart = [f"{name} parts, {where}" for name, where in found.observables.items() if where]
    if found.parted:
        apart.insert(0, f"DIFFERENT, {found.parted}")
    return f"{head} " + ("; ".join(apart) or f"same bits in {found.points} logged points")


def verdict(judged: Judgement, base: str, declare: bool) -> Sequence[str]:
    """What the comparison means for the run store, as lines."""
    lines = []
    if judged.false:
        lines.append(
            f"declared equal to {base[:12]}, but it is not: {', '.join(judged.false)}. Stored runs would serve code "
            "that trains other bits: undo the edit, or take the declaration out of src/regrok/training/generations.yaml"
            + (". Nothing was declared" if declare else "")
        )
    if judged.anew:
        lines.append(
            f"other bits than {base[:12]}: {', '.join(judged.anew)}. Their runs are trained anew; none in the store "
            "serves them" + (". Nothing of this was declared" if declare else "")
        )
    if judged.to_declare and not declare:
        names = [name for kind in judged.to_declare.values() for name in kind]
        lines.append(
            f"proven equal to {base[:12]}, but not declared: {', '.join(names)}. Declare it, or their runs are trained "
            f"anew: regrok same-bits {base[:12]} --declare"
        )
    return lines or ["every stored run of that code serves the working tree"]


def write(base: str, theirs: Any, judged: Judgement, runs: int) -> None:
    """Enter the proof into generations.yaml, after what the base itself stores runs under."""
    from regrok.pipeline.machine import commit
    from regrok.processor import processor
    from regrok.training import generations

    if base not in generations.read().entries:
        observables = {
            name: sorted(set(codes.values())) for name, codes in theirs["observables"].items()
        }
        own = {"trainers": theirs["trainers"], "observables": observables}
        generations.declare(base, {"stored": "by this commit itself", **own})
    made = commit()
    changed = " and changes" if made["modified"] else ""
    proof = {
        "proven": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": processor(),
        "runs": runs,
        "code": f"{(made['commit'] or 'no commit')[:12]}{changed}",
    }
    generations.declare(base, {**proof, **judged.to_declare})
    names = [name for kind in judged.to_declare.values() for name in kind]
    print(f"declared equal to {base[:12]}: {', '.join(names)} (in {generations.FILE})")
