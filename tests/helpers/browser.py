"""Headless Chromium over its debugging pipe: clicks, keys, sizes, pictures, and all that it complains or asks for."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --use-gl=angle --use-angle=swiftshader "
    "--enable-unsafe-swiftshader --remote-debugging-pipe"
)
CODES = {
    " ": 32, "Enter": 13, "Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37,
    "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip


def _pipe() -> tuple[int, int]:
    """The ends to read and to write, both numbered from 10."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return high[0], high[1]


class Browser:
    """One page.

    Attributes:
        complaints: what came on the console, and errors that nobody caught.
        requests: addresses of all that was loaded.
    """

    def __init__(self, program: str, profile: Path) -> None:
        # The browser reads file descriptor 3 and writes 4; ours are higher, so that neither is overwritten.
        (read, self._out), (self._in, write) = _pipe(), _pipe()
        script = f'exec "$@" 3<&{read} 4>&{write}'
        command = ["bash", "-c", script, "bash", program, *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            command, pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(read)
        os.close(write)
        self._buffer, self._count, self._session = b"", 0, ""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        pages = [t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self._session = self.send("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._in)
        os.close(self._out)

    def _event(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(f"{params['type']}: {[a.get('value') for a in params['args']]}")
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command's answer; what the page says meanwhile is kept."""
        self._count += 1
        call = {"id": self._count, "method": method, "params": params}
        os.write(self._out, json.dumps(call | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        until = time.monotonic() + 60
        while True:
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._in], [], [], max(until - time.monotonic(), 0))
                part = os.read(self._in, 1 << 20) if ready else b""
                if not part:
                    raise TimeoutError(f"the browser does not answer {method}")
                self._buffer += part
            text, self._buffer = self._buffer.split(b"\0", 1)
            message = json.loads(text)
            if message.get("id") != self._count:
                self._event(message)
            elif "error" in message:
                raise RuntimeError(f"{method}: {message['error']}")
            else:
                return dict(message["result"])

    def read_as(self, width: int, height: int, dark: bool = False, calm: bool = False) -> None:
        """Take the window and the wishes of a reader, as `open` describes them."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 640
        )
        wishes = {"color-scheme": "dark" if dark else "light", "reduced-motion": "reduce" if calm else "no-preference"}
        features = [{"name": f"prefers-{name}", "value": value} for name, value in wishes.items()]
        self.send("Emulation.setEmulatedMedia", features=features)

    def open(self, address: str, width: int, height: int, dark: bool = False, calm: bool = False) -> None:
        """Load a page in a window of that size; below 640 pixels it is a phone with a touch screen.

        Args:
            dark, calm: whether the reader wants a dark page, and one where nothing moves by itself.
        """
        self.read_as(width, height, dark, calm)
        self.send("Page.navigate", url="about:blank")  # a new part behind "#" alone would not load the page again
        self.send("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && typeof then !== 'undefined' && then !== null")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    def until(self, condition: str, seconds: float = 20) -> None:
        """Wait for it."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"never came: {condition}")
            time.sleep(0.05)

    def click(self, selector: str, across: float = 0.5) -> None:
        """Press the mouse on an element, `across` its width."""
        box = self.run(f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                       "return [r.x, r.y, r.width, r.height]; })()")  # fmt: skip
        place = {"x": box[0] + across * box[2], "y": box[1] + box[3] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, **place)

    def drag(self, selector: str, across: int) -> None:
        """Press in the middle of an element and move so many pixels to the right."""
        x, y = self.run(f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                        "return [r.x + r.width / 2, r.y + r.height / 2]; })()")  # fmt: skip
        for kind, by in (("mousePressed", 0), ("mouseMoved", across), ("mouseReleased", across)):
            self.send("Input.dispatchMouseEvent", type=kind, x=x + by, y=y, button="left", buttons=1, clickCount=1)

    def key(self, name: str) -> None:
        """Press a key."""
        code = CODES.get(name) or ord(name.upper())
        text = {"text": name} if len(name) == 1 else {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            press = text if kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **press)

    def select(self, selector: str, value: str) -> None:
        """Choose an option."""
        self.run(f"(() => {{ const s = document.querySelector({json.dumps(selector)}); s.value = {json.dumps(value)};"
                 "s.dispatchEvent(new Event('change', { bubbles: true })); })()")  # fmt: skip

    def picture(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
