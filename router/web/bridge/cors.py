"""Which web pages may use the bridge (WHATWG Fetch, 'CORS protocol')."""

import re
from typing import Final

from router.web.bridge.config import Cors

_METHODS: Final = "GET, POST"
_HEADERS: Final = "Authorization, Content-Type, Last-Event-ID"


class CorsRules:
    """The rules of one bridge."""

    def __init__(self, settings: Cors) -> None:
        patterns = (".*".join(map(re.escape, origin.split("*"))) for origin in settings.origins)
        self._allowed = re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")
        self._max_age = str(settings.max_age_ms // 1000)

    def headers(self, origin: str | None, is_preflight: bool) -> dict[str, str]:
        """Give what is added to an answer to a page of ``origin``; ``None``: not from a page."""
        headers = {"Vary": "Origin"}
        if origin is None or not self._allowed.fullmatch(origin):
            return headers
        headers["Access-Control-Allow-Origin"] = origin
        if is_preflight:
            headers["Access-Control-Allow-Methods"] = _METHODS
            headers["Access-Control-Allow-Headers"] = _HEADERS
            headers["Access-Control-Max-Age"] = self._max_age
        return headers
