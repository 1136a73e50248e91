"""`celery -A workers.app notify …`: channels, a test message, the outbox.

Heavy things are imported inside the commands: Celery loads this module for every command of its own.
"""

import click

from workers.execution import cli, count_words

channel_names = cli.completion.of("channel", "select name, kind from channel order by name")
notice_ids = cli.completion.of(
    "notice", "select id::text, state || ' for ' || channel from notice order by id desc limit 50"
)


@click.group(cls=cli.Group)
def notify() -> None:
    """Notices to people: channels, test, preview, outbox, resend."""


@notify.command("channels")
@cli.as_json
def channels_() -> None:
    """Where notices go, and what waits for each."""
    from tasks.watches import queries

    columns = (
        "name", "kind", "upstream", "enabled", "max_per_hour", "waiting", "held_until", "sent", "dead",
        "target",
    )  # fmt: skip
    nothing = "no channel yet: each is a row of table channel (docs/watches/notices.md)"
    cli.show(cli.read(queries.SQL["channels"]), columns, empty=nothing)


@notify.command("test")
@click.argument("channel", shell_complete=channel_names)
@cli.as_json
def test(channel: str) -> None:
    """Send one message as notices are sent; prints the server's answer, exit status 1 on failure."""
    from tasks.watches import adapters, channels, queries
    from tasks.watches.messages import Note
    from workers.errors import WatchkeeperError
    from workers.upstreams import UpstreamClient

    with cli.database() as connection:
        row = channels.find(connection, channel)
    if row is None:
        near = cli.did_you_mean(channel, [one["name"] for one in cli.read(queries.SQL["channels"])])
        cli.fail(
            f'there is no channel "{channel}"',
            f"{near}All: {cli.typed('notify channels')}",
            cli.NOT_FOUND,
        )
    note = Note("Test", f"Watchkeeper can reach you through the channel {channel}.")
    try:
        answer = adapters.send(UpstreamClient(), row, [note])
    except WatchkeeperError as error:
        cli.fail(str(error), None, cli.FAILED)
    if cli.is_json():
        cli.print_json({"channel": channel, "answer": answer})
    else:
        cli.say(answer)


@notify.command("preview")
@click.argument("notice", type=int, shell_complete=notice_ids)
@cli.as_json
def preview(notice: int) -> None:
    """The message that a notice makes on its own, for its kind of channel."""
    import json

    from sqlalchemy import text

    from tasks.watches import messages

    query = text("""
        select n.key, n.content, c.kind, c.sender, m.rule, m.subject, m.occasion, m.title,
               m.facts, m.matched_at
          from notice n join channel c on c.name = n.channel left join match m on m.id = n.match_id
         where n.id = :id
    """)
    with cli.database() as connection:
        row = connection.execute(query, {"id": notice}).one_or_none()
    if row is None:
        cli.fail(f"there is no notice {notice}", f"All: {cli.typed('notify outbox')}", cli.NOT_FOUND)
    notes = [messages.note_of(row)]
    if row.kind in {"discord", "webhook"}:
        body = messages.discord(notes) if row.kind == "discord" else messages.webhook(notes)
        cli.say(json.dumps(body, indent=None if cli.is_json() else 2, ensure_ascii=False))
    elif cli.is_json():
        cli.print_json({"subject": messages.subject_of(notes), "text": messages.plain_text(notes)})
    else:
        cli.say(f"{messages.subject_of(notes)}\n\n{messages.plain_text(notes)}", nl=False)


@notify.command("outbox")
@cli.at_most(20)
@cli.as_json
def outbox(count: int) -> None:
    """The newest notices: waiting, sent, given up and why."""
    from tasks.watches import queries

    found = cli.read(queries.SQL["notices"], (count + 1,))
    columns = ("id", "channel", "state", "what", "rule", "occasion", "attempts", "answer", "sent_at")
    nothing = f"no notice yet; where notices go: {cli.typed('notify channels')}"
    cli.show(found, columns, empty=nothing, cut=cli.newest(count))


@notify.command("resend")
@click.argument("notice", type=int, required=False, shell_complete=notice_ids)
@cli.as_json
def resend(notice: int | None) -> None:
    """Try a notice that was given up once more; without a number, all of them."""
    from tasks.watches import notices

    with cli.database() as connection:
        number = notices.resend(connection, notice)
    if not number:
        cli.fail("no such notice was given up", f"All: {cli.typed('notify outbox')}", cli.NOT_FOUND)
    cli.tell(f"{count_words(number, 'notice')} will be sent again", resent=number)
