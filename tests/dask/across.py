"""A client on a host of its own: python across.py SCHEDULER SECONDS. It starts a job whose chunks take so many seconds
each, says so in a line, and prints in another, as JSON, the digest of the result, the seconds it took, and which hosts
made something of it."""

import json
import sys
import time

from distributed import Client, get_task_stream
from slow_job import digest, job

import accel.dask as ad


def main(scheduler: str, seconds: float) -> None:
    with Client(scheduler, timeout=60) as client, get_task_stream(client) as stream:
        client.wait_for_workers(2)
        ad.check(client)
        begun = time.monotonic()
        future = client.compute(job(seconds))
        print("begun", flush=True)
        found = digest(future.result(timeout=180))
        took = time.monotonic() - begun
    hosts = sorted({its["worker"] for its in stream.data})
    print(json.dumps({"digest": found, "seconds": took, "hosts": hosts}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
