"""Find out which version of the API a service has.

The first call that is made anyway goes to version 1. If that is answered by a web server, which knows no such call, it
is made once more in the next version. After any other answer that does not show that the API is there, the versions are
asked for the balance, which buys nothing, before another call is made.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from scrapy_omocaptcha.buying.api.protocol import Api, Version
from scrapy_omocaptcha.buying.records import Balance, JobId, JobRequest
from scrapy_omocaptcha.errors import AccountError, ApiError, ApiRefused, ApiUnreachable

T = TypeVar("T")


class FoundApi(Api):
    """Client of the version that answers.

    :param versions: the versions by their numbers, in the order in which they are asked; at least one.
    :param remember: called with the number of the version that has answered.
    :param is_closing: tells whether no call is to be made once more in another version.
    """

    def __init__(
        self, versions: dict[int, Version], remember: Callable[[int], None], is_closing: Callable[[], bool]
    ) -> None:
        self._versions = versions
        self._remember = remember
        self._is_closing = is_closing
        self._found: Version | None = None
        self._to_try = list(versions)
        """The versions that the next call may be made in, though it is not known whether they are there."""

    @property
    def is_unclear(self) -> bool:
        return self._found is None and not self._to_try

    async def find(self) -> None:
        if self.is_unclear:
            await self._find({})

    async def create_job(self, job: JobRequest) -> JobId:
        return await self._ask(lambda api: api.create_job(job))

    async def job_result(self, job_id: JobId) -> str | None:
        return await self._ask(lambda api: api.job_result(job_id))

    async def balance(self) -> Balance:
        return await self._ask(lambda api: api.balance())

    async def price(self) -> float | None:
        return await self._ask(lambda api: api.price(), by_list=True)

    async def close(self) -> None:
        for api in self._versions.values():
            await api.close()

    async def _ask(self, call: Callable[[Version], Awaitable[T]], *, by_list: bool = False) -> T:
        """Make a call in the version that is there, as far as is known.

        :param by_list: whether a version may answer from a list elsewhere, which does not show that it is there.
        :raises AccountError: when no version is there, or the one that is does not know the account.
        """
        refused: dict[int, AccountError] = {}
        tried = 0
        while self._found is None and self._to_try:
            number = self._to_try[0]
            self._check_open(tried)
            tried += 1
            try:
                answer = await call(self._versions[number])
            except AccountError as error:
                # The account may be one of another version.
                refused[number] = error
                self._to_try.clear()
            except ApiRefused as error:
                if not error.is_foreign:
                    self._use(number)
                    raise
                # No such call, so nothing was bought.
                self._to_try = [other for other in self._to_try if other != number]
            except ApiError:
                self._to_try.clear()
                raise
            else:
                if self._versions[number].has_price or not by_list:
                    self._use(number)
                return answer
        found = self._found
        if found is None:
            tried += 1
            found = await self._find(refused)
        # Another call may have found meanwhile that the version is there that has refused this one.
        refusal = next((error for number, error in refused.items() if self._versions[number] is found), None)
        if refusal is not None:
            raise refusal
        self._check_open(tried)
        return await call(found)

    def _check_open(self, tried: int) -> None:
        """Raise ``ApiUnreachable`` if the crawl closes and a call has been made before, as in a version not there."""
        if tried and self._is_closing():
            raise ApiUnreachable("the crawl is closing, and the call has not begun", taken=False)

    def _use(self, number: int) -> None:
        self._found = self._versions[number]
        self._remember(number)

    async def _find(self, refused: dict[int, AccountError]) -> Version:
        """Return the first version that tells the balance.

        :param refused: what versions have said that do not know the account.
        """
        errors: dict[int, ApiError] = {}
        for number, api in self._versions.items():
            if number in refused:
                continue
            try:
                await api.balance()
            except AccountError as error:
                refused[number] = error
            except ApiError as error:
                errors[number] = error
            else:
                self._use(number)
                return api
        unclear = next((error for error in errors.values() if not error.is_foreign), None)
        if unclear is not None:
            # Nothing was bought, whatever call this is for.
            raise ApiUnreachable(str(unclear), taken=False, retry_after=unclear.retry_after)
        if refused:
            raise next(iter(refused.values()))
        said = " and ".join(f"version {number} by {error}" for number, error in errors.items())
        nowhere = AccountError(f"it has answered {said}")
        nowhere.cure = "check OMOCAPTCHA_API_URL, and whether a proxy or a firewall answers in the place of the service"
        raise nowhere
