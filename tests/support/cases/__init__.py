"""Adapters of the acceptance cases: a case's names on one side, production code on the other."""
