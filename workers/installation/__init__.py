"""What the migrate step installs: what this code and the domains bring, and logins."""
