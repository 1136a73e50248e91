"""What a channel may name as a secret, what may stand in its fields, and what nobody is ever shown."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.notices import HOOK
from workers.upstreams import channel_secrets

LOGIN = "env:WATCHKEEPER_CHANNEL_LOGIN"
FORBIDDEN = [
    "env:WATCHKEEPER_DATABASE_URL",
    "env:PATH",
    "env:watchkeeper_channel_x",
    "env:WATCHKEEPER_CHANNEL_",
    "env:XWATCHKEEPER_CHANNEL_X",
    "env:WATCHKEEPER_CHANNEL_X Y",
    " env:WATCHKEEPER_DATABASE_URL",
    "ENV:WATCHKEEPER_DATABASE_URL",
    "file:/etc/passwd",
    "file:/run/secrets/watchkeeper_database_url",
    "file:/run/secrets/channel-../watchkeeper_database_url",
    "file:/run/secrets/channel-..",
    "file:/run/secrets/channel-a/b",
    "file:/run/secrets/./channel-a",
    "file:/run/secrets/channel-",
    "file:channel-a",
    "FILE:/etc/passwd",
]  # fmt: skip


def refused(channels: Any, **columns: Any) -> Any:
    row = {"name": "leak", "kind": "email", "target": "ann@example.org", "upstream": "smtp", **columns}
    with pytest.raises(psycopg.errors.CheckViolation) as error:
        channels.insert("channel", row)
    return error.value.diag


def save_unchecked(people: Any, name: str, **columns: Any) -> None:
    """A row as an earlier version took it."""
    people.channel("email", name)
    people.sql.execute("alter table channel disable trigger channel_check")
    for column, value in columns.items():
        people.sql.execute(f"update channel set {column} = %s where name = %s", (value, name))
    people.sql.execute("alter table channel enable trigger channel_check")


def tell(people: Any, *channels: str) -> None:
    for name in channels:
        people.sql.execute("select send_test(%s)", (name,))


@pytest.mark.outside(1)
@pytest.mark.parametrize("kind", ["discord", "email", "webhook", "apprise"])
@pytest.mark.parametrize("target", FORBIDDEN)
def test_no_other_variable_or_file_is_taken_as_a_secret(channels: Any, kind: str, target: str) -> None:
    upstream = "smtp" if kind == "email" else "discord"
    diag = refused(channels, kind=kind, target=target, upstream=upstream)

    assert diag.column_name == "target"
    assert "env:WATCHKEEPER_CHANNEL_NAME" in diag.message_hint
    assert "/run/secrets/channel-name" in diag.message_hint


@pytest.mark.outside(1)
@pytest.mark.parametrize(
    "columns",
    [
        *({"target": f"ann@example.org; login={secret}"} for secret in FORBIDDEN),
        {"target": "ann@example.org; login=ann:hunter2"},
        {"target": "ann@example.org; env:WATCHKEEPER_DATABASE_URL"},
        {"target": "ann@example.org, env:WATCHKEEPER_CHANNEL_X"},
        {"target": "env:WATCHKEEPER_CHANNEL_X; login=env:WATCHKEEPER_CHANNEL_Y"},
        {"sender": "env:WATCHKEEPER_CHANNEL_X"},
        {"sender": "file:/etc/passwd"},
        {"kind": "webhook", "target": "https://ann:hunter2@example.org/x"},
    ],
)
def test_no_other_place_of_a_channel_takes_a_secret(channels: Any, columns: dict[str, str]) -> None:
    assert "env:WATCHKEEPER_CHANNEL_NAME" in refused(channels, **columns).message_hint


def test_what_is_a_channels_secret_is_saved(channels: Any) -> None:
    for number, target in enumerate(
        (
            "env:WATCHKEEPER_CHANNEL_X",
            "file:/run/secrets/channel-mail",
            "file:/run/secrets/channel-a.b_C",
        )
    ):
        channels.channel("discord", f"d{number}", target=target)
    channels.channel(
        "email", "m", target=f"ann@example.org; login={LOGIN}", sender="Ann <ann@example.org>"
    )
    channels.sql.execute("update channel set note = 'two\nlines' where name = 'm'")


@pytest.mark.outside(1)
@pytest.mark.parametrize(
    "target",
    [
        "env:WATCHKEEPER_DATABASE_URL",
        "file:/etc/passwd",
        "a@example.org; login=env:WATCHKEEPER_DATABASE_URL",
    ],
)
def test_what_was_saved_before_is_refused_when_it_is_used(people: Any, target: str) -> None:
    save_unchecked(people, "leak", target=target)
    tell(people, "leak")

    run = people.send()

    assert run["state"] == "succeeded"
    row = people.one("select state, answer from notice")
    assert row["state"] == "dead"
    assert "is not a secret that a channel may name" in row["answer"]
    assert people.in_mailbox() == []
    assert os.environ["WATCHKEEPER_DATABASE_URL"] not in json.dumps(
        people.all("select * from run"), default=str
    )
    # It may still be switched off, or be given another target.
    people.sql.execute("update channel set enabled = false where name = 'leak'")
    people.sql.execute("update channel set target = 'ann@example.org' where name = 'leak'")


@pytest.mark.outside(1)
def test_one_channels_secret_is_never_sent_as_anothers_recipient_or_to_another_server(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_CHANNEL_SMTP", "ann:secret-of-ann@x")
    people.sql.execute("insert into upstream (name, base_url) values ('evil', 'https://evil.example')")
    people.channel("email", "as-recipient", target="env:WATCHKEEPER_CHANNEL_TEST")
    people.channel("email", "login-as-recipient", target="env:WATCHKEEPER_CHANNEL_SMTP")
    people.channel("email", "no-mail-server", target="a@example.org", upstream="evil")
    people.insert("channel", {"name": "elsewhere", "kind": "webhook", "upstream": "evil",
                              "target": "env:WATCHKEEPER_CHANNEL_TEST"})  # fmt: skip
    tell(people, "as-recipient", "login-as-recipient", "no-mail-server", "elsewhere")

    people.send()

    answers = {r["channel"]: (r["state"], r["answer"]) for r in people.all("select * from notice")}
    assert {state for state, _ in answers.values()} == {"dead"}
    assert "holds no mail addresses" in answers["as-recipient"][1]
    assert "holds no mail addresses" in answers["login-as-recipient"][1]
    assert "is not a mail server" in answers["no-mail-server"][1]
    assert "is not on this upstream's server" in answers["elsewhere"][1]
    assert people.in_mailbox() == []
    shown = json.dumps(
        [people.all(f"select * from {t}") for t in ("notice", "run", "batch")], default=str
    )
    assert "a-token-nobody-may-see" not in shown
    assert "secret-of-ann" not in shown


@pytest.mark.outside(1)
def test_a_secret_file_may_be_a_link_as_kubernetes_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "channel-discord").write_text(f"{HOOK}\n")
    (tmp_path / "channel-discord").symlink_to(tmp_path / "..data" / "channel-discord")
    monkeypatch.setattr(channel_secrets, "DIRECTORY", tmp_path)

    assert channel_secrets.resolve("file:/run/secrets/channel-discord") == HOOK
    with pytest.raises(channel_secrets.SettingMissing, match="/run/secrets/channel-other"):
        channel_secrets.resolve("file:/run/secrets/channel-other")


@pytest.mark.outside(1)
@pytest.mark.parametrize("target", FORBIDDEN)
def test_the_program_refuses_what_the_database_refuses(target: str) -> None:
    with pytest.raises(channel_secrets.SecretRefused):
        channel_secrets.resolve(target)


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
@pytest.mark.outside(1)
def test_nothing_shows_a_secret_whatever_a_server_answers(
    people: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The address is nobody's webhook: the error comes back with the path in it."""
    monkeypatch.setenv(
        "WATCHKEEPER_CHANNEL_NOBODY", "https://discord.com/no/such/path/token-of-nobody-123"
    )
    monkeypatch.setenv(
        "WATCHKEEPER_CHANNEL_APPRISE", "json://user:pass-of-apprise@127.0.0.1:9/token-of-apprise"
    )
    people.channel("discord", target="env:WATCHKEEPER_CHANNEL_NOBODY")
    people.insert("channel", {"name": "apprise", "kind": "apprise", "upstream": "discord",
                              "target": "env:WATCHKEEPER_CHANNEL_APPRISE"})  # fmt: skip
    tell(people, "discord", "apprise")

    people.send()

    assert {r["state"] for r in people.all("select state from notice")} <= {"dead", "waiting"}
    shown = json.dumps(
        [people.all(f"select * from {t}") for t in
         ("notice", "notice_log", "run", "batch", "trouble", "permit", "recent_failures")],
        default=str,
    )  # fmt: skip
    for secret in ("token-of-nobody-123", "pass-of-apprise", "token-of-apprise"):
        assert secret not in shown
        assert secret not in channel_secrets_redacted(caplog)


def channel_secrets_redacted(caplog: pytest.LogCaptureFixture) -> str:
    """Log lines as the handler writes them."""
    from workers.logs import _redacted

    return json.dumps([_redacted(record.getMessage()) for record in caplog.records])


@pytest.mark.outside(1)
def test_a_process_masks_every_channels_secret_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from workers.redaction import redact

    monkeypatch.setenv("WATCHKEEPER_CHANNEL_LATER", "smtp-user:a-password-for-later")
    channel_secrets.remember_all()

    assert redact("login a-password-for-later failed") == "login [redacted] failed"


CONTROL = [
    "a@b\r\nBcc: x@example.org",
    "a@b\nX: y",
    "a@b\x0b",
    "a@b\x7f",
    "a@b\x85",
    "a@b\u2028",
    "a@b\u202e",
]


@pytest.mark.outside(5)
@pytest.mark.parametrize("column", ["sender", "target"])
@pytest.mark.parametrize("value", CONTROL)
def test_a_line_break_in_a_channels_field_is_refused(channels: Any, column: str, value: str) -> None:
    diag = refused(channels, **{column: value})

    assert (
        diag.message_primary
        == f'{column} of channel "leak" holds a line break or another control character'
    )
    assert diag.message_hint


@pytest.mark.outside(5)
@pytest.mark.parametrize(
    ("column", "value"),
    [("sender", "a@b\r\nBcc: x"), ("target", "a@b\r\nBcc: x@y"), ("sender", "a@b\x7f")],
)
def test_a_line_break_saved_before_fails_its_own_notice_and_nothing_else(
    people: Any, column: str, value: str
) -> None:
    save_unchecked(people, "old", **{column: value})
    people.channel("email", "good")
    tell(people, "old", "good")

    run = people.send()

    assert run["state"] == "succeeded"
    assert people.states() == {"old": ["dead"], "good": ["sent"]}
    answer = people.one("select answer from notice where channel = 'old'")["answer"]
    assert f"{column} holds a line break" in answer
    assert people.send()["state"] == "succeeded"


@pytest.mark.outside(5)
def test_whatever_a_message_cannot_be_made_of_ends_its_notice(people: Any) -> None:
    save_unchecked(people, "odd", sender="[")
    people.sql.execute("update upstream set base_url = 'smtp://127.0.0.1:99999' where name = 'smtp'")
    tell(people, "odd")

    assert people.send()["state"] == "succeeded"
    assert people.states() == {"odd": ["dead"]}
