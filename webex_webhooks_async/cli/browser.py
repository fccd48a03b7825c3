"""Opens a browser."""

import os
import sys
import threading
import webbrowser


def open_browser(url: str) -> None:
    """Open a browser, but no text browser where there is no screen."""
    has_screen = sys.platform != "linux" or {"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"} & {
        *os.environ
    }
    if has_screen:  # some browsers don't return before they are closed
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
