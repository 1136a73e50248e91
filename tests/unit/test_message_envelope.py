"""Messages built by hand are those that Celery and kombu build themselves."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from celery import Celery
from kombu.transport.redis import Channel

from beat.tick.envelope import Envelopes, message_id, redis_priority
from workers.ledger.sent import Message
from workers.processes import doorbells
from workers.processes.doorbells import SEPARATOR

RUN = "6f3c1c7e-6f0b-4a5e-9a3e-1d5f0b7c2a10"


def message(**given: Any) -> Message:
    fields: dict[str, Any] = {
        "run_id": RUN,
        "seq": 0,
        "fence": 0,
        "task": "tests.noop",
        "queue": "upkeep",
        "priority": 5,
        "schedule": "some-schedule",
    }
    return Message(**{**fields, **given})


@pytest.fixture
def app() -> Celery:
    return Celery("tests", broker="memory://")


def by_celery(app: Celery, said: Message) -> dict[str, Any]:
    """What ``send_task`` puts into a queue for the same batch."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        put: list[dict[str, Any]] = []
        channel._put = lambda _, body, **__: put.append(body)
        app.send_task(
            said.task,
            args=(said.run_id, said.seq),
            task_id=message_id(said),
            root_id=said.run_id,
            queue=said.queue,
            priority=redis_priority(said.priority),
            ignore_result=True,
            headers={"celery_beat_task": True, "periodic_task_name": said.schedule},
            producer=app.amqp.Producer(channel),
        )
    return put[0]


def test_a_filled_message_is_the_one_celery_would_send(app: Celery) -> None:
    said = message()
    ours = json.loads(Envelopes(app).fill(said))
    theirs = json.loads(json.dumps(by_celery(app, said)))
    assert json.loads(base64.b64decode(ours.pop("body"))) == json.loads(
        base64.b64decode(theirs.pop("body"))
    )
    for one in (ours, theirs):
        one["properties"].pop("delivery_tag")
        # Ours goes by the exchange that the application declares.
        one["properties"].pop("delivery_info")
        one["headers"].pop("argsrepr")
        # Nobody waits for a result.
        one["properties"].pop("reply_to")
    assert ours == theirs


def test_no_two_messages_share_a_delivery_tag(app: Celery) -> None:
    envelopes = Envelopes(app)
    tags = {json.loads(envelopes.fill(message()))["properties"]["delivery_tag"] for _ in range(100)}
    assert len(tags) == 100


def test_the_first_message_of_a_run_bears_the_runs_own_id() -> None:
    assert message_id(message()) == RUN


@pytest.mark.parametrize(("seq", "fence"), [(0, 1), (1, 0), (7, 3)])
def test_every_other_message_bears_an_id_of_its_own(seq: int, fence: int) -> None:
    said = message(seq=seq, fence=fence)
    assert message_id(said) == str(uuid.uuid5(uuid.UUID(RUN), f"{seq}:{fence}"))


def test_messages_of_several_tasks_and_queues_do_not_mix(app: Celery) -> None:
    envelopes = Envelopes(app)
    for task, queue, priority in (("a.b", "prices", 9), ("c.d", "listings", 0), ("a.b", "listings", 9)):
        said = json.loads(envelopes.fill(message(task=task, queue=queue, priority=priority, seq=4)))
        assert said["headers"]["task"] == task
        assert said["properties"]["delivery_info"]["routing_key"] == queue
        assert said["properties"]["priority"] == 9 - priority
        assert json.loads(base64.b64decode(said["body"]))[0] == [RUN, 4]


@pytest.mark.parametrize("name", [None, 'quo"ted', "back\\slash", "ünï"])
def test_any_name_makes_a_whole_message(app: Celery, name: str | None) -> None:
    said = json.loads(Envelopes(app).fill(message(schedule=name)))
    assert said["headers"]["periodic_task_name"] == (name or "")


def test_the_separator_is_kombus() -> None:
    assert Channel.sep == SEPARATOR


@pytest.mark.parametrize(("ours", "redis"), [(9, 0), (5, 4), (0, 9)])
def test_nine_goes_first_and_so_does_zero_in_redis(ours: int, redis: int) -> None:
    assert redis_priority(ours) == redis


@pytest.mark.parametrize(
    "conf",
    [
        # A list of failover: Redis's own client would write into database 0.
        {"broker_url": "redis://127.0.0.1:1/7;redis://127.0.0.1:2/7"},
        {"broker_url": "rediss://127.0.0.1:1/7?ssl_cert_reqs=CERT_REQUIRED"},
        {"broker_url": "redis://127.0.0.1:1/7", "accept_content": ["pickle"]},
    ],
)
def test_what_only_celery_can_send_is_left_to_celery(conf: dict[str, Any]) -> None:
    assert doorbells.client(Celery(set_as_current=False, changes=conf)) is None
