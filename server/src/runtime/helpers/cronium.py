"""What a Cronium job may ask and say while it runs.

Needs nothing but Python itself and no network: calls go through a local socket. Every function may raise
CroniumError, which says what is wrong in `code`.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any, Mapping, Optional, Union
from urllib.parse import quote

__all__ = [
    "CroniumError",
    "input",
    "output",
    "event",
    "get_variable",
    "set_variable",
    "delete_variable",
    "increment_variable",
    "set_condition",
    "log",
]

_PREFIX = "/runtime/v1"


class CroniumError(Exception):
    """A call that was refused, or that nobody answered.

    code: INVALID, NOT_FOUND, FORBIDDEN, TOO_LARGE, RATE_LIMITED, UNAVAILABLE or INTERNAL.
    retry_after: with RATE_LIMITED, the seconds after which to come again.
    field: with INVALID, what of the call is wrong, if it is one thing.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retry_after: Optional[int] = None,
        field: Optional[str] = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.field = field


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("runtime")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def _call(method: str, path: str, body: Any = None, has_body: bool = False) -> Any:
    where = os.environ.get("CRONIUM_SOCKET")
    if not where:
        raise CroniumError("UNAVAILABLE", "CRONIUM_SOCKET is not set: there is no runtime API here")
    data = None
    if has_body:
        try:
            data = json.dumps(body, allow_nan=False).encode()
        except (TypeError, ValueError) as problem:
            raise CroniumError("INVALID", f"this is no JSON value: {problem}") from problem
    connection = _Connection(where)
    try:
        connection.request(method, _PREFIX + path, body=data)
        response = connection.getresponse()
        status, text = response.status, response.read()
    except (OSError, http.client.HTTPException) as problem:
        raise CroniumError("UNAVAILABLE", f"the runtime API does not answer: {problem}") from problem
    finally:
        connection.close()
    told = json.loads(text) if text else None
    if status < 400:
        return told
    error = told.get("error", {}) if isinstance(told, dict) else {}
    raise CroniumError(
        error.get("code", "INTERNAL"),
        error.get("message", "no reason was given"),
        error.get("retryAfterSeconds"),
        error.get("field"),
    )


def _variable(key: str) -> str:
    return "/variables/" + quote(key, safe="")


def input() -> Any:
    """The input of this job; None when it has none."""
    return _call("GET", "/input")


def output(value: Any) -> None:
    """Sets the output of this job, any JSON value of at most 5 MiB. The last one counts."""
    _call("PUT", "/output", value, True)


def event() -> Mapping[str, Any]:
    """What runs here: eventId, eventName, jobId, jobNumber, executionId, attempt, trigger and more."""
    return _call("GET", "/event")


def get_variable(key: str, default: Optional[str] = None) -> Optional[str]:
    """The text of a variable; `default` when there is none. A secret's text is masked in all that this job says."""
    try:
        return _call("GET", _variable(key))["value"]
    except CroniumError as problem:
        if problem.code == "NOT_FOUND":
            return default
        raise


def set_variable(key: str, value: Union[str, int, float], secret: Optional[bool] = None) -> None:
    """Sets a variable. `secret`: True makes it one; None leaves it what it is."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError("a variable is a text or a number")
    body = {"value": str(value)}
    if secret is not None:
        body["secret"] = secret
    _call("PUT", _variable(key), body, True)


def delete_variable(key: str) -> bool:
    """Removes a variable; False when there was none."""
    try:
        _call("DELETE", _variable(key))
        return True
    except CroniumError as problem:
        if problem.code == "NOT_FOUND":
            return False
        raise


def increment_variable(key: str, by: int = 1) -> int:
    """Adds to a variable in one step, whoever else does so at the same time; the new value."""
    return _call("POST", _variable(key) + "/increment", {"by": by}, True)["value"]


def set_condition(value: bool) -> None:
    """Sets what actions with the condition CONDITION look at; false until it is set."""
    _call("PUT", "/condition", {"value": value}, True)


def log(message: str, level: str = "info", **fields: Any) -> None:
    """Writes a line into this job's log. Levels: debug, info, warn, error."""
    _call("POST", "/log", {"level": level, "message": message, "fields": fields}, True)
