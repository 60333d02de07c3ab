"""One try of an address: a POST by the standard library, which follows no redirect and ends in time.

An address often is a secret, so no message here shows it. What the server says is shown by its code only.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from wf_cli import __version__
from wf_cli.notify.delivery import Result

#: Codes of refusals that may pass. All from 500 on may pass, too.
_MAY_PASS = frozenset({408, 425, 429})
#: Seconds between two tries to cut a connection that takes too long.
_CUT = 0.1


def post(url: str, body: bytes, *, event_id: str, timeout_s: float) -> Result:
    """POST ``body`` as JSON. The whole of it takes at most ``timeout_s``, but for the lookup of the host's name."""
    try:
        request = urllib.request.Request(
            url,
            data=body,
            method="POST",
            headers={
                "Content-Type": "application/json",
                "User-Agent": f"wf/{__version__}",
                "X-WF-Event-Id": event_id,
            },
        )
        if request.type not in ("http", "https") or not request.host:
            return Result(False, "it is no http(s) address")
    except ValueError:
        return Result(False, "it is no http(s) address")
    connections = _Connections()
    opener = urllib.request.build_opener(_NoRedirect, _Http(connections), _Https(connections))
    with connections.cut_after(timeout_s) as late:
        try:
            with opener.open(request, timeout=timeout_s) as response:
                if late.is_set():  # It never came to the end of its headers.
                    return _failed(TimeoutError(), timeout_s, late=True)
                return Result(True, f"the server said {response.status}")
        except urllib.error.HTTPError as error:
            error.close()
            return _refused(error.code)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _failed(error, timeout_s, late=late.is_set())


def _refused(code: int) -> Result:
    if 300 <= code < 400:
        return Result(False, f"the server said {code}, and redirects are not followed; write the address it leads to")
    return Result(False, f"the server said {code}", again=code >= 500 or code in _MAY_PASS)


def _failed(error: Exception, timeout_s: float, *, late: bool) -> Result:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if late or isinstance(reason, TimeoutError):
        return Result(False, f"the server did not answer within {timeout_s:g} s", again=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Result(False, f"its certificate is not trusted: {reason.verify_message}")
    if isinstance(reason, socket.gaierror):
        return Result(False, f"its host is not known: {reason.strerror}", again=True)
    if isinstance(reason, OSError):
        return Result(False, f"no connection: {reason.strerror or type(reason).__name__}", again=True)
    if isinstance(reason, ValueError | http.client.InvalidURL):
        return Result(False, "it is no http(s) address")
    return Result(False, f"what it answered is no HTTP ({type(reason).__name__})", again=True)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect may lead a secret to another host, so it ends the try."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Connections:
    """The connections of one try, so that they can be cut. A timeout of a socket is for one read only, and a server
    that sends a byte now and then would hold a thread for ever."""

    def __init__(self) -> None:
        self._made: list[http.client.HTTPConnection] = []

    def making(self, kind: type[http.client.HTTPConnection]) -> Callable[..., http.client.HTTPConnection]:
        """How `urllib` makes its connections of ``kind``, so that they are known here."""

        def make(host: str, **options: Any) -> http.client.HTTPConnection:
            self._made.append(kind(host, **options))
            return self._made[-1]

        return make

    @contextlib.contextmanager
    def cut_after(self, seconds: float) -> Iterator[threading.Event]:
        """Cut them when the block takes longer than ``seconds``. The event tells whether that has happened."""
        over, late = threading.Event(), threading.Event()

        def watch() -> None:
            if over.wait(seconds):
                return
            late.set()
            while not over.wait(_CUT):
                for connection in self._made:
                    with contextlib.suppress(OSError, AttributeError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=watch, name="wf-notify-cut", daemon=True)
        thread.start()
        try:
            yield late
        finally:
            over.set()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connections: _Connections):
        super().__init__()
        self._connections = connections

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connections.making(http.client.HTTPConnection), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, connections: _Connections):
        super().__init__()
        self._connections = connections

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connections.making(http.client.HTTPSConnection), req)
