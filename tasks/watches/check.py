"""`tasks.watches.check`: reads rules that were edited; `rule_state` says what is wrong with them."""

from collections.abc import Mapping
from datetime import timedelta

from tasks.watches import rule_states
from workers.execution import NOTICES_QUEUE, Work, app, count_words
from workers.ledger import Options


class CheckOptions(Options):
    """Nothing to set: rules are rows."""


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 3 rules right, 1 wrong."""
    if not any(counts.values()):
        return "no rule was edited"
    return f"{count_words(counts.get('right', 0), 'rule')} right, {counts.get('wrong', 0)} wrong"


@app.task(
    name=__name__,
    options=CheckOptions,
    summary=summary,
    queue=NOTICES_QUEUE,
    min_every=timedelta(minutes=1),
)
def check(work: Work[CheckOptions]) -> None:
    """Read the rules that were edited; a wrong one says where and why in rule_state."""
    for item in work.items():
        with work.attempt(item), work.done(item) as connection:
            right, wrong = rule_states.check_edited(connection)
            work.count(right=right, wrong=wrong)
