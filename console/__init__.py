"""The console: the browser's pages and the JSON API, one ASGI service."""
