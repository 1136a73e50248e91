"""What the domains share: the class of a watch, rules, matches, notices and channels."""
