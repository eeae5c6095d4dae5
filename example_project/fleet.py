"""A fleet, start to end and offline: several workers share one queue and one limit through Redis.

``make demo-fleet`` runs this. Redis, the OMOcaptcha service and two shops run here, on loopback: to one shop a worker's
session costs one job, the other wants a token for each page. Each worker is a ``scrapy crawl`` as anybody would type
it, on any machine that reaches that Redis. What is told at the end comes from the items and from the books of the
shops, of the service and of Redis, not from what the crawls say of themselves.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite

try:
    import redis
    import scrapy_redis  # noqa: F401 (the crawls need it)
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry
except ImportError:
    redis = None

PROJECT = Path(__file__).parent
REDIS_SERVER = shutil.which("redis-server")


def main() -> int:
    """Exit status: 0 when every page has come once and no limit was overrun; 2 when something is not installed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--pages", type=int, default=12, help="of each of the two shops (default: %(default)s)")
    parser.add_argument("--max-jobs", type=int, default=30, help="that all may buy together (default: %(default)s)")
    parser.add_argument("--solve-seconds", type=float, default=5.0, help="how long a job takes the service")
    # What is not ours goes to scrapy, such as -s DOWNLOAD_DELAY=0.
    options, for_scrapy = parser.parse_known_args()
    if REDIS_SERVER is None:
        return missing("redis-server is not installed: apt install redis-server, or brew install redis")
    if redis is None:
        return missing("scrapy-redis is not installed: pip install scrapy-redis 'scrapy-omocaptcha[redis]'")

    service = OmoCaptchaService(solve_seconds=options.solve_seconds)
    for_all = WalledSite(service, "session", hosts=["127.0.0.1"], catalogue_pages=options.pages)
    # Cookies know no ports: on the same address it would be the same shop.
    for_each = WalledSite(service, "per_page", hosts=["localhost"], catalogue_pages=options.pages)
    with service, for_all, for_each, TemporaryDirectory() as directory, redis_server(directory) as redis_url:
        say(f"A shop at {for_all.url} shuts its pages off behind reCAPTCHA v2. {for_all.wall.about}")
        say(f"A shop at {for_each.url} does, too. {for_each.wall.about}")
        say(f"Each has {options.pages} pages, a solve takes {options.solve_seconds:g} s, and all workers together may")
        say(f"buy {options.max_jobs} jobs. Redis is at {redis_url}.", end="\n\n")
        crawl = ["scrapy", "crawl", "fleet", "-a", f"sites={for_all.url},{for_each.url}"]
        crawl += ["-a", f"pages={options.pages}", "-s", f"REDIS_URL={redis_url}"]
        crawl += ["-s", f"OMOCAPTCHA_REDIS_URL={redis_url}", "-s", f"OMOCAPTCHA_MAX_JOBS={options.max_jobs}"]
        crawl += ["-s", f"OMOCAPTCHA_API_URL={service.url}", "-s", "LOG_LEVEL=INFO", *for_scrapy]
        say("$ " + " ".join([*crawl, "-s", "OMOCAPTCHA_JOURNAL=worker1.journal", "&"]))
        say(f"and so on, {options.workers} in all; they are at work.")
        since = time.monotonic()
        workers = [Worker(number, Path(directory), crawl, service) for number in range(1, options.workers + 1)]
        for worker in workers:
            worker.wait()
        seconds = time.monotonic() - since
        good = tell(workers, [for_all, for_each], service, redis_url, options.max_jobs, options.pages, seconds)
        if not good:
            for worker in workers:
                say(f"\nThe last of worker {worker.number}'s log\n{worker.log.read_text(encoding='utf-8')[-3000:]}")
        report = ["scrapy", "omocaptcha", "report", *(str(worker.journal) for worker in workers)]
        say("\n$ " + " ".join(report))
        status = subprocess.run([sys.executable, "-m", *report], cwd=PROJECT, check=False).returncode
    return 0 if good and status == 0 else 1


class Worker:
    """One ``scrapy crawl`` in a process of its own, with a journal of its own."""

    def __init__(self, number: int, directory: Path, crawl: list[str], service: OmoCaptchaService) -> None:
        self.number = number
        self.log = directory / f"worker{number}.log"
        self.journal = directory / f"worker{number}.journal"
        # So that the report has something to read of a worker that came too late to buy anything.
        self.journal.touch()
        self._items = directory / f"worker{number}.jsonl"
        command = [*crawl, "-s", f"OMOCAPTCHA_JOURNAL={self.journal}", "-O", str(self._items)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=PROJECT,
                env={**os.environ, "OMOCAPTCHA_API_TOKEN": service.api_token},
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        if self._process.wait() != 0:
            say(f"Worker {self.number} ended with exit status {self._process.returncode}.")

    @property
    def pages(self) -> list[str]:
        """The addresses that it got."""
        if not self._items.exists():
            return []
        return [json.loads(line)["page"] for line in self._items.open(encoding="utf-8")]


def tell(
    workers: list[Worker],
    sites: list[WalledSite],
    service: OmoCaptchaService,
    redis_url: str,
    max_jobs: int,
    pages: int,
    seconds: float,
) -> bool:
    """Who did what; whether everything is as it should be."""
    say("\nWho did what")
    say("             pages   jobs   cost, USD")
    for worker in workers:
        # A job is for a page, and whoever bought it got that page.
        jobs = [job for job in service.jobs if job.page in worker.pages]
        say(f"  worker {worker.number:2} {len(worker.pages):7} {len(jobs):6} {sum(job.cost for job in jobs):11.5f}")
    got = Counter(page for worker in workers for page in worker.pages)
    wanted = {f"{site.url}/page/{number}" for site in sites for number in range(1, pages + 1)}
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        counted = int(client.hget("omocaptcha:fleet:fleet", "jobs") or 0)
    bought = len(service.jobs)
    say(f"  all       {len(got):7} {bought:6} {service.charged:11.5f}", end="\n\n")
    say(f"  pages got      {len(wanted & got.keys())} of {len(wanted)}, more than once: {got.total() - len(got)}")
    say(f"  jobs bought    {bought}, counted by Redis: {counted}, limit of all together: {max_jobs}")
    say(f"  tokens         {sum(site.accepted for site in sites)} accepted by the shops")
    say(f"  seconds        {seconds:.0f}")
    complete = got == Counter(wanted)
    overrun = bought > max_jobs or counted != bought
    say("\nEverything is there, once." if complete else "\nNot everything is there once: the logs say why.")
    if overrun:
        say("The limit was overrun, or what Redis has counted is not what was bought.")
    return complete and not overrun


@contextmanager
def redis_server(directory: str) -> Iterator[str]:
    """A Redis of our own, on a free port; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [REDIS_SERVER, "--bind", "127.0.0.1", "--port", str(port), "--dir", directory, "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            url = f"redis://127.0.0.1:{port}"
            # An old client lets an OSError pass by itself.
            patient = Retry(ConstantBackoff(0.05), 600, supported_errors=(redis.ConnectionError, OSError))
            with redis.Redis.from_url(url, retry=patient) as client:
                client.ping()
            yield url
        finally:
            process.terminate()


def missing(what: str) -> int:
    print(what, file=sys.stderr)
    return 2


def say(line: str, end: str = "\n") -> None:
    """At once, so that it stands before what a process prints next."""
    print(line, end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
