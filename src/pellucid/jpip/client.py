"""A JPIP client: regions and resolutions of a remote picture, each byte fetched once."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError, PellucidError
from pellucid.jpip.boxes import is_high_throughput
from pellucid.jpip.markers import Size, read_main_header
from pellucid.jpip.messages import BinClass, EndOfResponse, Message, Reason, read_messages
from pellucid.jpip.rebuild import Bin, Bins

_LONGEST_QUERY = 1500
_OPENJPEG_HT_BITS = 16
_MOST_REQUESTS = 10_000
_MOST_BIN_BYTES = 1 << 31
_DONE = frozenset({Reason.IMAGE_DONE, Reason.WINDOW_DONE, Reason.QUALITY_LIMIT})


class JpipError(PellucidError):
    """A server that refuses a request, or does not answer as JPIP says."""


@dataclass(frozen=True)
class Progress:
    """What a request brought: bytes received, why the response ended, and whether the window is complete."""

    received: int
    reason: int
    complete: bool


class Client:
    """A picture behind a JPIP address, such as a Pixel Data Provider URL.

        with Client("http://127.0.0.1:8470/jpip?target=instances/1.2.3") as client:
            client.fetch(reduction=3)                          # a small picture first
            small = client.decode(reduction=3)
            client.fetch(region=(1024, 1024, 256, 256))        # then a part of it as it is
            part = client.decode()[1024:1280, 1024:1280]

    `session`: the server remembers what it sent, in a channel; otherwise every request says what there is already.
    `stream` in the methods is the codestream, from 0: a frame of a multi-frame instance. `received`: bytes so far.
    `http`: a client of the caller's own, for authentication or certificates; it is not closed.
    """

    def __init__(self, url: str, *, session: bool = False, http: httpx.Client | None = None) -> None:
        parts = urlsplit(url)
        fields = parse_qsl(parts.query)
        if not any(name == "target" for name, _ in fields):
            raise InvalidInputError(f"is {url!r}; expected an address with target=…", field="JPIP address")
        self._url = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        self._fields = fields
        self._own = http is None
        self._http = http or httpx.Client(timeout=60)
        self._session = session
        self._channel = ""
        self._requests = 0
        self._streams: dict[int, Bins] = {}
        self.received = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel, and the connection."""
        try:
            if self._channel:
                self._send({"cclose": self._channel})
        except JpipError:
            pass  # the server forgets idle channels by itself
        finally:
            self._channel = ""
            if self._own:
                self._http.close()

    def size(self, stream: int = 0) -> Size:
        """The picture's size; fetches its header where that has not come yet."""
        if not self._bins(stream).main_header.complete:
            self._window({"stream": str(stream)}, stream)
        return self._bins(stream).size

    def shape(self, reduction: int = 0, stream: int = 0) -> tuple[int, int]:
        """Rows and columns of the picture without its `reduction` highest resolutions."""
        width, height = self.size(stream).frame(reduction)
        return height, width

    def fetch(
        self,
        region: tuple[int, int, int, int] | None = None,
        *,
        reduction: int = 0,
        layers: int | None = None,
        components: str = "",
        stream: int = 0,
        length: int | None = None,
    ) -> Progress:
        """Fetch what a region needs that is not here yet.

        `region`: first column, first row, columns, rows [sample] at the reduced size, the whole picture where None.
        `reduction`: highest resolutions left out. `layers`: quality layers, all where None. `components`: such as
        "0,2-3". `length`: stop after so many bytes; the next call goes on from there. Raises `JpipError` where the
        server refuses, or its answer breaks off.
        """
        rows, columns = self.shape(reduction, stream)
        fields = {"fsiz": f"{columns},{rows},closest", "stream": str(stream)}
        if region is not None:
            fields |= {"roff": f"{region[0]},{region[1]}", "rsiz": f"{region[2]},{region[3]}"}
        if layers is not None:
            fields["layers"] = str(layers)
        if components:
            fields["comps"] = components
        return self._window(fields, stream, length)

    def codestream(self, *, reduction: int = 0, stream: int = 0) -> bytes:
        """A legal codestream of what has come: any decoder shows zeros in the wavelet domain for the rest."""
        return self._bins(stream).codestream(reduction)

    def decode(self, *, reduction: int = 0, stream: int = 0) -> NDArray[Any]:
        """The samples [row, column] or [row, column, component] that what has come makes.

        By OpenJPEG, which keeps samples of an incomplete picture within their range; OpenJPH lets them wrap around,
        and is used where OpenJPEG's HT decoder has too few bit-planes (more than 16 bits).
        """
        import imagecodecs

        data = self.codestream(reduction=reduction, stream=stream)
        size, segments, _ = read_main_header(data)
        deep = max(component.precision for component in size.components) > _OPENJPEG_HT_BITS
        if deep and is_high_throughput(segments):
            return np.asarray(imagecodecs.htj2k_decode(data))
        return np.asarray(imagecodecs.jpeg2k_decode(data))

    def _bins(self, stream: int) -> Bins:
        return self._streams.setdefault(stream, Bins())

    def _window(self, fields: dict[str, str], stream: int, length: int | None = None) -> Progress:
        """Ask until all has come, or `length` bytes have."""
        begun = self.received
        for _ in range(_MOST_REQUESTS):
            left = {} if length is None else {"len": str(max(0, length - (self.received - begun)))}
            before = self.received
            reason = self._take(self._ask({**fields, **left}, stream))
            if reason in _DONE or (length is not None and reason == Reason.BYTE_LIMIT):
                return Progress(self.received - begun, reason, reason in _DONE)
            if self.received - before <= 3:
                break
        raise JpipError(f"{self._url} ends its responses (reason {reason}) without sending what was asked for")

    def _ask(self, fields: dict[str, str], stream: int) -> bytes:
        if self._channel:
            self._requests += 1
            answer = self._send({**fields, "cid": self._channel, "qid": str(self._requests)}, missing=b"")
            if answer:
                return answer
            self._channel = ""  # forgotten by the server: a new one is told what there is
        fields = {"type": "jpp-stream", **fields}
        if self._session:
            fields |= {"cnew": "http"}
        if model := cache_model(self._bins(stream)):
            fields["model"] = model
        return self._send({**dict(self._fields), **fields})

    def _send(self, fields: dict[str, str], missing: bytes | None = None) -> bytes:
        """The body of the answer; `missing` where there is no such thing."""
        query = urlencode(fields, safe="/,:;*")
        try:
            if len(query) < _LONGEST_QUERY:
                response = self._http.get(f"{self._url}?{query}")
            else:
                response = self._http.post(self._url, content=query.encode("ascii"), headers=_FORM)
        except httpx.HTTPError as error:
            raise JpipError(f"{self._url} cannot be reached ({type(error).__name__})") from error
        if response.status_code == 404 and missing is not None:
            return missing
        if response.status_code != 200:
            raise JpipError(f"{self._url} answers {response.status_code}: {response.text[:300]}")
        for part in response.headers.get("JPIP-cnew", "").split(","):
            if part.startswith("cid="):
                self._channel = part[4:]
        self.received += len(response.content)
        return response.content

    def _take(self, data: bytes) -> int:
        """Keep the data-bins of a response; the reason it ended for."""
        reason = int(Reason.NOT_SPECIFIED)
        for message in read_messages(data):
            if isinstance(message, EndOfResponse):
                reason = message.reason
            elif (found := self._place(message)) is not None:
                _add(found, message)
        return reason

    def _place(self, message: Message) -> Bin | None:
        bins = self._bins(message.stream)
        if message.bin_class == BinClass.MAIN_HEADER:
            return bins.main_header
        if message.bin_class == BinClass.TILE_HEADER:
            return bins.tile_headers.setdefault(message.bin_id, Bin())
        if message.bin_class in (BinClass.PRECINCT, BinClass.EXTENDED_PRECINCT):
            return bins.precincts.setdefault(message.bin_id, Bin())
        return None


_FORM = {"content-type": "application/x-www-form-urlencoded"}


def cache_model(bins: Bins) -> str:
    """What there is of a codestream, as the `model` field says it."""
    if not bins.main_header.data:
        return ""
    items = ["M0", _item("Hm", bins.main_header)]
    items += [_item(f"H{number}", found) for number, found in bins.tile_headers.items()]
    items += [_item(f"P{number}", found) for number, found in bins.precincts.items()]
    return ",".join(items)


def _item(name: str, found: Bin) -> str:
    return name if found.complete else f"{name}:{len(found.data)}"


def _add(found: Bin, message: Message) -> None:
    """Append a message to its data-bin; what comes again is passed over."""
    known = len(found.data)
    if message.offset > known or message.offset + len(message.body) > _MOST_BIN_BYTES:
        raise JpipError(f"a message begins at byte {message.offset} of a data-bin of which {known} have come")
    found.data += message.body[known - message.offset :]
    found.complete |= message.last
