"""Build the API clients of a crawl, and find out which version of the API its service has."""

from scrapy.utils.reactor import is_reactor_installed

from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.buying.api.version1 import Version1Api
from scrapy_omocaptcha.buying.api.version2 import Version2Api
from scrapy_omocaptcha.errors import AccountError, ApiError, ApiRefused, ApiUnreachable
from scrapy_omocaptcha.settings import Settings

_PRICE_LIST = "https://omocaptcha.com/api/getServicePrice?type=service"
"""Public price list of version 2, which is on another host than the calls of version 2."""


def build_apis(settings: Settings) -> dict[int, Api]:
    """Build a client for each version of the API that the settings allow, in the order in which they are tried."""
    price_list = _PRICE_LIST if settings.is_omocaptcha else None
    apis: dict[int, Api] = {}
    for version, url in settings.api_urls.items():
        transport = _build_transport(url, settings.api_timeout)
        if version == 1:
            apis[version] = Version1Api(transport, settings.api_token, settings.type_job_id)
        else:
            apis[version] = Version2Api(transport, settings.api_token, settings.task_type, price_list)
    return apis


async def find_version(apis: dict[int, Api]) -> Api:
    """Return the first client whose service answers a call for the balance, which buys nothing.

    :raises ApiUnreachable: when there may be a service, but it does not tell the balance now.
    :raises AccountError: when there is none, or none that knows the account.
    """
    errors: list[ApiError] = []
    for api in apis.values():
        try:
            await api.balance()
        except ApiError as error:
            # A refusal, too, shows that the service answers as this version does.
            if not isinstance(error, ApiRefused) or error.is_foreign:
                errors.append(error)
                continue
        return api
    said = "; ".join(dict.fromkeys(map(str, errors)))
    # A web server's page or redirect may be there for a moment, unlike an address that it does not know.
    unclear = [each for each in errors if not isinstance(each, (AccountError, ApiRefused))]
    if unclear:
        unreachable = ApiUnreachable(said, taken=False, retry_after=unclear[0].retry_after)
        unreachable.cure = "try again later, check OMOCAPTCHA_API_URL, or set OMOCAPTCHA_API_VERSION"
        raise unreachable
    nowhere = AccountError(f"it has answered {said}")
    nowhere.cure = "check OMOCAPTCHA_API_URL, and whether a proxy or a firewall answers in the place of the service"
    raise next((each for each in errors if isinstance(each, AccountError)), nowhere)


def _build_transport(url: str, timeout: float) -> Transport:
    """Build a transport that works in this process, with a timeout in seconds."""
    # Imports are late here: importing the reactor installs one, and one of the two HTTP clients is enough.
    if is_reactor_installed():
        from twisted.internet import reactor

        from scrapy_omocaptcha.buying.api.treq_transport import TreqTransport

        return TreqTransport(url, timeout=timeout, reactor=reactor)
    from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(url, timeout=timeout)
