"""What the console shows of tokens."""

from tasks.watches.watch import Pages, Panel
from workers.execution import statements

_SQL = statements(__file__)

#: Columns that count tokens or wallets of a run.
_COUNTED = (
    "found", "new", "updated", "chosen", "wallets", "tokens_analysed", "tokens_to_analyse",
    "profiled_wallets", "new_wallets", "out_of_reach",
)  # fmt: skip

PAGES = Pages(
    found=_SQL["found"],
    overview=(
        Panel("Last discoveries", _SQL["runs"], counts=dict.fromkeys(_COUNTED, "/runs/{run_id}")),
    ),
    details=(
        Panel("Facts", _SQL["facts"], "facts"),
        Panel("Price, USD", _SQL["values"], "chart"),
        Panel("Why chosen or rejected", _SQL["verdicts"], empty="No run has judged it."),
        Panel("Pools", _SQL["pools"]),
        Panel(
            "Early buyers", _SQL["wallets"], empty="No wallet bought it early, or it was not analysed."
        ),
        Panel("Analyses of early buyers", _SQL["profiles"], empty="Not analysed."),
    ),
    reports=(
        Panel(
            "Discovery", _SQL["summary_of_a_run"], "facts", counts=dict.fromkeys(_COUNTED, "#panel-2")
        ),
        Panel("Tokens of this run: chosen, and why not", _SQL["of_a_run"]),
    ),
)
