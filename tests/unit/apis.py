"""API clients over a transport with a fixed answer, for tests that read answers."""

import asyncio
import json

from scrapy_omocaptcha.buying.api.version1 import Version1Api
from scrapy_omocaptcha.buying.api.version2 import Version2Api
from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.errors import OmoCaptchaError
from scrapy_omocaptcha.settings.secret import Secret

API_TOKEN = "omo-Secret-4711"
JOB = JobRequest(page="https://shop.example/gate", sitekey="6LcSiteKey", invisible=False)
TOKEN = "03AHJ_abc-DEF_123"
PRICE_LIST = "https://prices.example/list"
CALLS = {"create_job": (JOB,), "job_result": ("7",), "balance": (), "price": ()}


def version1(transport, type_job_id="1"):
    return Version1Api(transport, Secret(API_TOKEN), type_job_id)


def version2(transport, task_type="RecaptchaV2TokenTask", price_list=PRICE_LIST):
    return Version2Api(transport, Secret(API_TOKEN), task_type, price_list)


class RecordingTransport:
    """Transport that records what is sent, and always returns the same answer."""

    def __init__(self, answer=""):
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)
        self.sent = []

    async def post(self, path, body):
        self.sent.append((path, json.loads(json.dumps(body, default=Secret.reveal))))
        return self.answer

    async def get(self, url):
        self.sent.append(url)
        return self.answer


def call(version, name, answer, *arguments, **options):
    """Call a method of the API, and return its result and what was sent."""
    transport = RecordingTransport(answer)
    return asyncio.run(getattr(version(transport, **options), name)(*arguments)), transport.sent


def outcome(version, name, answer, *arguments):
    """Call a method of the API, and return its result or the class of its error."""
    try:
        return call(version, name, answer, *arguments)[0]
    except OmoCaptchaError as error:
        return type(error)
