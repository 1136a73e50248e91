"""What the system does: one folder a domain, also from a folder ``tasks`` elsewhere on the path."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
