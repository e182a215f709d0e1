"""``accel bench submit-check``: does a result file meet the rules of a published one?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .files import FILE, Incompatible, load


@click.command(name="submit-check", short_help="Does a result meet the rules for publishing?")
@click.argument("file", type=FILE)
@click.option("--against", type=FILE, default=None, metavar="OTHER", help="Somebody else's file with the same hashes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path, against: Path | None, as_json: bool) -> int:
    """Asks every rule that a published result must meet. With --against, says whether OTHER reproduces FILE: then its
    label may become "reproduced". Neither file is changed.

    Exit code 0 if every rule is met, 1 if one is not or OTHER does not reproduce FILE, 2 for a file that cannot be
    read, 6 for one of another schema.
    """
    from ...bench.result import file as result
    from ...bench.result import submit
    from .. import console

    try:
        record = result.read(file)
    except result.IncompatibleError as error:
        raise Incompatible(str(error)) from None
    outcomes = submit.check(record, submit.current())
    valid = not outcomes[0].complaints
    other = load(against) if against is not None else None
    met = not any(outcome.complaints for outcome in outcomes)
    reproduction = submit.reproduce(record, other) if valid and other is not None else None
    good = met and (other is None or (reproduction is not None and reproduction.holds))
    if as_json:
        rules = [{"name": o.rule.name, "asks": o.rule.asks, "complaints": list(o.complaints)} for o in outcomes]
        shown = None if reproduction is None else reproduction.to_json()
        label = "reproduced" if met and reproduction is not None and reproduction.holds else "unverified"
        console.print_json({"met": met, "rules": rules, "reproduction": shown, "label": label if met else None})
        return 0 if good else 1
    for outcome in outcomes:
        word, style = ("FAIL", console.BAD) if outcome.complaints else ("pass", console.GOOD)
        console.say(f"{word}  {outcome.rule.name}: {outcome.rule.asks}", style=style)
        for text in outcome.complaints:
            console.say(f"      {text}")
    if not valid:
        console.say("The other rules are asked of valid files only.")
    if reproduction is not None and other is not None:
        _show(reproduction, other, met)
    failed = sum(bool(outcome.complaints) for outcome in outcomes)
    if met:
        console.say(
            f"All {len(outcomes)} rules are met: it may be published, as {record['label']}.", style=console.GOOD
        )
    else:
        console.say(f"{failed} of {len(submit.RULES)} rules are not met.", style=console.BAD)
    return 0 if good else 1


def _show(reproduction: Any, other: dict[str, Any], met: bool) -> None:
    from .. import console

    device = f"{other['device']['name']} ({other['device']['description']})"
    console.say(f"against {device}: {reproduction.equal} hashes agree, {len(reproduction.different)} differ")
    for why, count in reproduction.apart.items():
        console.say(f"      {count} not compared: {why}")
    for text in reproduction.complaints:
        console.say(f"FAIL  reproduced: {text}", style=console.BAD)
    if reproduction.holds and met:
        console.say(f'Reproduced on {device}: its label may become "reproduced".', style=console.GOOD)
