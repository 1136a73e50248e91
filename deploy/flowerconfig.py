"""Settings of `celery flower --conf=deploy/flowerconfig.py`: our logs, its login from a secret."""

from workers import logs, settings

logs.configure_service()
login = settings.SECRETS_DIR / "FLOWER_BASIC_AUTH"
if login.is_file():
    basic_auth = [login.read_text().strip()]
