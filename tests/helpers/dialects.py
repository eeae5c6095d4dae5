"""The offline service, answering as other services with version 2 of the API do."""

from dataclasses import dataclass

from scrapy_omocaptcha.testing import OmoCaptchaService

_UUID = "49f9f60a-07c2-4a5d-9d3e-{:012d}"


@dataclass(frozen=True)
class Dialect:
    """What differs in the answers of a service. The defaults are OMOcaptcha's."""

    numbers: bool = False
    """Whether tasks have numbers, instead of UUIDs."""
    created: str = ""
    """Status in the answer to createTask."""
    running: str = "processing"
    failed: str = "fail"
    """A task without a solution is ``ERROR_JOB_STATUS`` with the status "fail"; ``"code"``:
    ``ERROR_CAPTCHA_UNSOLVABLE``; ``"status"``: no error, but the status "failed"."""
    solution: tuple[str, ...] = ("gRecaptchaResponse",)
    """Names of the fields with the token."""


class OtherService(OmoCaptchaService):
    """Service that speaks a dialect, which may be changed at any time."""

    def __init__(self, dialect=Dialect(), **options):
        super().__init__(api_version=2, **options)
        self.dialect = dialect

    def answer(self, path, body):
        """Answer as the service does, in other words."""
        if self.dialect.numbers and isinstance(body, dict) and "taskId" in body:
            body = {**body, "taskId": _UUID.format(body["taskId"])}
        answer = super().answer(path, body)
        if "taskId" in answer:
            number = int(answer["taskId"].rpartition("-")[2])
            state = {"status": self.dialect.created} if self.dialect.created else {}
            return {**answer, **state, "taskId": number if self.dialect.numbers else answer["taskId"]}
        if answer.get("status") == "processing":
            return {**answer, "status": self.dialect.running}
        if answer.get("status") == "ready":
            token = answer["solution"]["gRecaptchaResponse"]
            return {**answer, "solution": dict.fromkeys(self.dialect.solution, token)}
        if answer.get("status") == "fail" and self.dialect.failed == "code":
            return {"errorId": 12, "errorCode": "ERROR_CAPTCHA_UNSOLVABLE", "errorDescription": "It was not solved."}
        if answer.get("status") == "fail" and self.dialect.failed == "status":
            return {"errorId": 0, "status": "failed", "solution": {}}
        return answer


class PricedService(OmoCaptchaService):
    """Service with the list of prices that version 2 of OMOcaptcha has at another address, for all to read."""

    path = "/api/getServicePrice"

    def __init__(self, **options):
        super().__init__(**options)
        listed = {"name": "reCAPTCHA v2", "price": f"{self._account.price:f}", "type": "RecaptchaV2TokenTask"}
        self._routes[self.path] = ("getServicePrice", lambda body: {"error": False, "typeJob": [listed]})

    def _respond(self, method, path, body):
        is_right = path == self.path and method == "GET"
        return super()._respond("POST" if is_right else method, path, body)
