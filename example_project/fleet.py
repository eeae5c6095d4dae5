"""Run a fleet of workers that share one queue and one limit through Redis, offline.

``make demo-fleet`` runs this. Redis, the OMOcaptcha service and two shops run on loopback: one shop costs each worker
one job per session, the other one job per page. Each worker is an ordinary ``scrapy crawl`` command, which could run on
any machine with access to Redis. The report at the end is based on the items and on what the shops, the service and
Redis have recorded, not on the logs of the crawls.
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

from demo import PROJECT, missing, say

try:
    import redis
    import scrapy_redis  # noqa: F401 (used by the crawls)
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry
except ImportError:
    redis = None

REDIS_SERVER = shutil.which("redis-server")


def main() -> int:
    """Run the demo, and return the exit status.

    0 if each page was scraped once and the limit was kept, 1 if not, 2 if something is not installed.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=4, help="number of workers (default: %(default)s)")
    parser.add_argument("--pages", type=int, default=12, help="pages of each shop (default: %(default)s)")
    parser.add_argument("--max-jobs", type=int, default=30, help="limit for all workers (default: %(default)s)")
    parser.add_argument("--solve-seconds", type=float, default=5.0, help="duration of a job (default: %(default)s)")
    # All other arguments, such as -s DOWNLOAD_DELAY=0, are passed on to Scrapy.
    options, for_scrapy = parser.parse_known_args()
    if REDIS_SERVER is None:
        return missing("redis-server is not installed: apt install redis-server, or brew install redis")
    if redis is None:
        return missing("scrapy-redis is not installed: pip install scrapy-redis 'scrapy-omocaptcha[redis]'")

    service = OmoCaptchaService(solve_seconds=options.solve_seconds)
    per_session = WalledSite(service, "session", hosts=["127.0.0.1"], catalogue_pages=options.pages)
    # Another host, since cookies are shared between ports.
    per_page = WalledSite(service, "per_page", hosts=["localhost"], catalogue_pages=options.pages)
    with service, per_session, per_page, TemporaryDirectory() as directory, redis_server(directory) as redis_url:
        say(f"The pages of the shop at {per_session.url} are behind reCAPTCHA v2. {per_session.wall.about}")
        say(f"So are those of the shop at {per_page.url}. {per_page.wall.about}")
        say(f"Each has {options.pages} pages, solving takes {options.solve_seconds:g} s, and all workers together may")
        say(f"buy {options.max_jobs} jobs. Redis is at {redis_url}.", end="\n\n")
        crawl = ["scrapy", "crawl", "fleet", "-a", f"sites={per_session.url},{per_page.url}"]
        crawl += ["-a", f"pages={options.pages}", "-s", f"REDIS_URL={redis_url}"]
        crawl += ["-s", f"OMOCAPTCHA_REDIS_URL={redis_url}", "-s", f"OMOCAPTCHA_MAX_JOBS={options.max_jobs}"]
        crawl += ["-s", f"OMOCAPTCHA_API_URL={service.url}", "-s", "LOG_LEVEL=INFO", *for_scrapy]
        say("$ " + " ".join([*crawl, "-s", "OMOCAPTCHA_LEDGER=worker1.sqlite", "&"]))
        say(f"and so on for {options.workers} workers")
        since = time.monotonic()
        workers = [Worker(number, Path(directory), crawl, service) for number in range(1, options.workers + 1)]
        for worker in workers:
            worker.wait()
        seconds = time.monotonic() - since
        good = report(workers, [per_session, per_page], service, redis_url, options.max_jobs, options.pages, seconds)
        if not good:
            for worker in workers:
                say(f"\nThe end of worker {worker.number}'s log\n{worker.log.read_text(encoding='utf-8')[-3000:]}")
        command = ["scrapy", "omocaptcha", "report", *(str(worker.ledger) for worker in workers)]
        say("\n$ " + " ".join(command))
        status = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, check=False).returncode
    return 0 if good and status == 0 else 1


class Worker:
    """One ``scrapy crawl`` process with its own ledger."""

    def __init__(self, number: int, directory: Path, crawl: list[str], service: OmoCaptchaService) -> None:
        self.number = number
        self.log = directory / f"worker{number}.log"
        self.ledger = directory / f"worker{number}.sqlite"
        self._items = directory / f"worker{number}.jsonl"
        command = [*crawl, "-s", f"OMOCAPTCHA_LEDGER={self.ledger}", "-O", str(self._items)]
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
            say(f"Worker {self.number} failed with exit status {self._process.returncode}.")

    @property
    def pages(self) -> list[str]:
        """URLs of the pages that the worker has scraped."""
        if not self._items.exists():
            return []
        return [json.loads(line)["page"] for line in self._items.open(encoding="utf-8")]


def report(
    workers: list[Worker],
    sites: list[WalledSite],
    service: OmoCaptchaService,
    redis_url: str,
    max_jobs: int,
    pages: int,
    seconds: float,
) -> bool:
    """Print what each worker did, and return whether all pages were scraped once and the limit was kept."""
    say("\nWhat each worker did")
    say("             pages   jobs   cost, USD")
    for worker in workers:
        # The worker that scraped a page is the one that bought its job.
        jobs = [job for job in service.jobs if job.page in worker.pages]
        say(f"  worker {worker.number:2} {len(worker.pages):7} {len(jobs):6} {sum(job.cost for job in jobs):11.5f}")
    scraped = Counter(page for worker in workers for page in worker.pages)
    expected = {f"{site.url}/page/{number}" for site in sites for number in range(1, pages + 1)}
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        counted = int(client.hget("omocaptcha:fleet:fleet", "jobs") or 0)
    bought = len(service.jobs)
    say(f"  all       {len(scraped):7} {bought:6} {service.charged:11.5f}", end="\n\n")
    duplicates = scraped.total() - len(scraped)
    say(f"  pages          {len(expected & scraped.keys())} of {len(expected)}, more than once: {duplicates}")
    say(f"  jobs           {bought}, counted by Redis: {counted}, limit: {max_jobs}")
    say(f"  tokens         {sum(site.accepted for site in sites)} accepted by the shops")
    say(f"  seconds        {seconds:.0f}")
    complete = scraped == Counter(expected)
    exceeded = bought > max_jobs or counted != bought
    say("\nEach page was scraped once." if complete else "\nNot every page was scraped once: see the logs below.")
    if exceeded:
        say("The limit was exceeded, or Redis has not counted the jobs that were bought.")
    return complete and not exceeded


@contextmanager
def redis_server(directory: str) -> Iterator[str]:
    """Run Redis on a free port, and return its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [REDIS_SERVER, "--bind", "127.0.0.1", "--port", str(port), "--dir", directory, "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            url = f"redis://127.0.0.1:{port}"
            # Old versions of redis-py only retry an OSError if it is listed here.
            retry = Retry(ConstantBackoff(0.05), 600, supported_errors=(redis.ConnectionError, OSError))
            with redis.Redis.from_url(url, retry=retry) as client:
                client.ping()
            yield url
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
