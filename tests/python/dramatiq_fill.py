"""Fills a queue with the published dramatiq package: URL QUEUE READY DELAYED DEAD [NAMESPACE].

URL is redis://... or amqp://...; a worker of dramatiq's own fails the dead messages, which moves them to the dead-letter
queue. Prints `done` when the broker has all of them.
"""

import sys
import time

import dramatiq
from dramatiq.middleware import AgeLimit, Retries

url, queue, ready, delayed, dead = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
namespace = sys.argv[6] if len(sys.argv) > 6 else "dramatiq"

if url.startswith("redis"):
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=url, namespace=namespace, middleware=[AgeLimit(), Retries(max_retries=0)])
else:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    broker = RabbitmqBroker(url=url, confirm_delivery=True, middleware=[AgeLimit(), Retries(max_retries=0)])
dramatiq.set_broker(broker)

failures = []


@dramatiq.actor(queue_name=queue)
def work(fails):
    if fails:
        failures.append(None)
        raise RuntimeError("this one is meant to fail")


def declared():
    if not url.startswith("redis"):
        broker.declare_queue(queue, ensure=True)


declared()
if dead:
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
    for _ in range(dead):
        work.send(True)
    worker.start()
    deadline = time.monotonic() + 60
    while len(failures) < dead and time.monotonic() < deadline:
        time.sleep(0.05)
    broker.join(queue)
    # Stopping waits for the last message to be moved.
    worker.stop()
    assert len(failures) == dead, failures
for _ in range(ready):
    work.send(False)
for _ in range(delayed):
    work.send_with_options(args=(False,), delay=6 * 24 * 3600 * 1000)
broker.close()
print("done")
