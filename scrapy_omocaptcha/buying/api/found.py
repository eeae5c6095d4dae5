"""Find out which version of the API a service has, by the first call that is made anyway.

Version 1 is asked first. Where that is answered with 404, 410 or a redirect, or does not know the account, the call is
made once more in the next version. Other answers, such as a web page, may come from a proxy that has passed the call
on, or be of today only.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from scrapy_omocaptcha.buying.api.protocol import Api, Version
from scrapy_omocaptcha.buying.records import Balance, JobId, JobRequest
from scrapy_omocaptcha.errors import AccountError, ApiBadAnswer, ApiError

T = TypeVar("T")


class FoundApi(Api):
    """Client of the version that answers.

    :param versions: the versions by their numbers, in the order in which they are asked; at least one.
    :param remember: called with the number of the version that has answered.
    """

    def __init__(self, versions: dict[int, Version], remember: Callable[[int], None]) -> None:
        self._versions = versions
        self._remember = remember
        self._found: Version | None = None
        self._absent: dict[int, ApiError] = {}
        """What the versions that are not there were answered with."""

    async def create_job(self, job: JobRequest) -> JobId:
        return await self._ask(lambda api: api.create_job(job))

    async def job_result(self, job_id: JobId) -> str | None:
        return await self._ask(lambda api: api.job_result(job_id))

    async def balance(self) -> Balance:
        return await self._ask(lambda api: api.balance())

    async def price(self) -> float | None:
        return await self._ask(lambda api: api.price(), by_list=True)

    async def report_rejected(self, job_id: JobId) -> None:
        await self._ask(lambda api: api.report_rejected(job_id))

    async def close(self) -> None:
        for api in self._versions.values():
            await api.close()

    async def _ask(self, call: Callable[[Version], Awaitable[T]], *, by_list: bool = False) -> T:
        """Make a call in the version that is there, as far as is known.

        :param by_list: whether a version may answer from a list elsewhere, which does not show that it is there.
        :raises AccountError: when no version is there.
        """
        if self._found is not None:
            return await call(self._found)
        refused: AccountError | None = None
        for number, api in self._versions.items():
            if number in self._absent:
                continue
            try:
                answer = await call(api)
            except AccountError as error:
                refused = refused or error
                continue
            except ApiError as error:
                if not error.is_foreign or isinstance(error, ApiBadAnswer):
                    raise
                self._absent[number] = error
                continue
            if by_list and not api.has_price:
                if refused is not None:
                    break
                return answer
            self._found = api
            self._remember(number)
            return answer
        if refused is not None:
            raise refused
        said = "; ".join(f"version {number}: {error}" for number, error in self._absent.items())
        nowhere = AccountError(f"no version of its API answers ({said})")
        nowhere.cure = "check OMOCAPTCHA_API_URL, and whether a proxy or a firewall answers in the place of the service"
        raise nowhere
