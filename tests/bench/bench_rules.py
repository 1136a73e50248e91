"""1,000 rules on 1,000 ads: seconds of one core, compiling and preparing included."""

from __future__ import annotations

import random
import time

from tasks.watches import checking, evaluation, grammar, registry
from tests.support.bench_environment import say

COUNT = 1000
MAKERS = ("Sennheiser", "Focal", "64 Audio", "HiFiMAN", "Audeze", "Chord", "Stax", "Moondrop")
MODELS = ("HD800S", "Utopia", "U12t", "Arya", "LCD-X", "Hugo 2", "Blessing", "SR-009")


def rule(chance: random.Random) -> str:
    maker, model, price = chance.choice(MAKERS), chance.choice(MODELS), chance.randrange(50, 3000)
    return chance.choice(
        (
            f'title contains "{model}" AND price < {price}',
            f'title contains "{maker}" AND title contains "{model}" AND NOT title contains "broken"',
            f'(title contains "{maker}" OR title startswith "{model}") AND price between 10 and {price}',
            f'seller != "bob" AND condition in ("New", "Excellent") AND price <= {price}',
            f'title matches "{model}\\s*[0-9]*" AND currency = "USD"',
            f'title contains "{model}" AND title fuzzy_contains "{maker} {model}"',
        )
    )


LISTING = registry.fields("listing")


def main() -> None:
    chance = random.Random(1)
    texts = [rule(chance) for _ in range(COUNT)]
    ads = [
        {
            "title": f"{chance.choice(MAKERS)} {chance.choice(MODELS)} ({number})",
            "price": chance.randrange(50, 3000), "currency": "USD", "condition": "Excellent",
            "seller_username": f"user-{number % 300}", "status": "active",
        }
        for number in range(COUNT)
    ]  # fmt: skip
    began = time.process_time()
    tests = []
    for text in texts:
        parsed = grammar.parse(text, LISTING)
        checking.check(parsed, LISTING)
        tests.append(evaluation.compiled(parsed, LISTING))
    compiled = time.process_time() - began
    began = time.process_time()
    ready = [evaluation.facts(ad, LISTING) for ad in ads]
    matches = sum(test(found) for found in ready for test in tests)
    evaluated = time.process_time() - began
    say("rules", rules=COUNT, ads=COUNT, compile_s=compiled, evaluate_s=evaluated, matches=matches)


if __name__ == "__main__":
    main()
