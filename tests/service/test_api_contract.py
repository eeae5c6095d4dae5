"""Tests that each version of the API passes over each transport, with real sockets to the offline service."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.treq_transport import TreqTransport
from scrapy_omocaptcha.buying.api.version1 import Version1Api
from scrapy_omocaptcha.buying.api.version2 import Version2Api
from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.errors import ApiBadAnswer, ApiUnreachable, OmoCaptchaError
from scrapy_omocaptcha.settings.secret import Secret
from scrapy_omocaptcha.testing.faults import KINDS
from tests.helpers.clock import Clock
from tests.helpers.dialects import PricedService
from tests.helpers.timeouts import set_timeout

TIMEOUT = 10.0
SECRET = "omo-Secret-4711"
JOB = JobRequest(page="http://shop.example/gate", sitekey="6LtestOnly" + "a" * 30, invisible=False)


class Client:
    """Client of the API whose calls are synchronous, and run in the reactor's thread."""

    def __init__(self, reactor, transport, service):
        self._reactor = reactor
        self.transport = transport
        if service.api_version == 1:
            self.api = Version1Api(transport, Secret(SECRET), "1")
        else:
            self.api = Version2Api(transport, Secret(SECRET), "RecaptchaV2TokenTask", service.origin + service.path)

    def __getattr__(self, name):
        return lambda *arguments: self._reactor.call(lambda: deferred_from_coro(getattr(self.api, name)(*arguments)))


@pytest.fixture(params=[1, 2])
def service(request):
    """Run a service whose jobs take 15 seconds of its clock."""
    options = {"api_version": request.param, "api_token": SECRET, "solve_seconds": 15, "clock": Clock()}
    with PricedService(**options) as service:
        yield service


@pytest.fixture(params=["treq", "aiohttp"])
def api(request, reactor, service):
    if request.param == "treq":
        transport = TreqTransport(service.url, timeout=TIMEOUT, reactor=reactor.reactor)
    else:
        transport = AiohttpTransport(service.url, timeout=TIMEOUT)
    client = Client(reactor, transport, service)
    yield client
    client.close()


def failure(call, *arguments):
    """Return the error of a call, having checked that it does not show the credential."""
    with pytest.raises(OmoCaptchaError) as raised:
        call(*arguments)
    assert SECRET not in f"{raised.value!s} {raised.value!r} {raised.value.args}"
    return raised.value


# -- the life of a job ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("invisible", [False, True])
def test_a_job_gives_a_token_that_the_site_accepts(api, service, invisible):
    job_id = api.create_job(replace(JOB, invisible=invisible))
    assert api.job_result(job_id) is None
    service.clock.now += 15
    token = api.job_result(job_id)
    assert service.siteverify(token, JOB.sitekey)["success"]
    (job,) = service.jobs
    assert (job.page, job.sitekey, job.invisible) == (JOB.page, JOB.sitekey, invisible)
    assert job.kind == ("1" if service.api_version == 1 else "RecaptchaV2TokenTask")
    assert job.questions == 2
    assert service.charged == 0.00055
    assert all(call.authorised for call in service.calls)


# -- faults ---------------------------------------------------------------------------------------------------------

NAMES = {
    1: {"create_job": "createJob", "job_result": "getJobResult", "balance": "getBalance", "price": "getService"},
    2: {"create_job": "createTask", "job_result": "getTaskResult", "balance": "getBalance", "price": "getServicePrice"},
}
ARGUMENTS = {"create_job": (JOB,), "job_result": (1000001,), "balance": (), "price": ()}
GETS = {(2, "price")}
"""Public calls that cost nothing: HTTP clients may repeat them, and it doesn't matter whether they were taken."""
# The error of each fault, and whether the service may have taken the call.
FAULTS = {
    "reset": (ApiUnreachable, True),
    "too_many": (ApiUnreachable, False),
    "server_error": (ApiUnreachable, True),
    "redirect": (ApiUnreachable, True),
    "reset_after": (ApiUnreachable, True),
    "bad_gateway": (ApiUnreachable, True),
    "slow": (None, True),
    "hang": (ApiUnreachable, True),
    "truncated": (ApiUnreachable, True),
    "empty": (ApiBadAnswer, True),
    "html": (ApiBadAnswer, True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_raises_an_api_error_and_the_next_call_succeeds(api, service, kind):
    expected, taken = FAULTS[kind]
    arguments = {**ARGUMENTS, "job_result": (api.create_job(JOB),)}
    names = [name for name in ARGUMENTS if not (kind.startswith("reset") and (service.api_version, name) in GETS)]

    def succeed(name):
        getattr(api, name)(*arguments[name])

    def fail(name):
        error = failure(getattr(api, name), *arguments[name])
        assert isinstance(error, expected), name
        assert getattr(error, "taken", True) is taken, name

    with ThreadPoolExecutor() as pool:
        # At once, since a call that hangs takes all of its timeout. The first calls open the connections.
        list(pool.map(succeed, names))
        before = len(service.calls)
        for name in names:
            service.fault(NAMES[service.api_version][name], kind, seconds=0.01)
        # Only calls that hang have a short timeout: on a busy machine, others might exceed it.
        set_timeout(api.transport, 1.0 if kind == "hang" else TIMEOUT)
        list(pool.map(fail if expected else succeed, names))
        set_timeout(api.transport, TIMEOUT)
    assert [call.fault for call in service.calls[before:]] == [kind] * len(names), "a call was repeated"
    for name in names:
        succeed(name)


def test_calls_to_a_stopped_service_are_not_taken(api, service):
    api.balance()
    service.stop()
    for name, arguments in ARGUMENTS.items():
        error = failure(getattr(api, name), *arguments)
        assert type(error) is ApiUnreachable, name
        assert (service.api_version, name) in GETS or not error.taken, name


def test_no_credential_is_sent_to_a_redirect_or_the_price_list(api, service):
    service.fault("*", "redirect", times=4)
    for name, arguments in ARGUMENTS.items():
        failure(getattr(api, name), *arguments)
    api.price()
    assert [call.path for call in service.calls if call.path == "/elsewhere"] == []
    assert service.calls[-1].authorised is (service.api_version == 1)
