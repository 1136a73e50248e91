"""Pages for people, and what the API has of the same; every one of them needs a login."""
