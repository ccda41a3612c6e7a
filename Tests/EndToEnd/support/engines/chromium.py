"""Debian's Chromium and its driver, with the DevTools protocol for everything that WebDriver has no command for."""

import base64
import os
import pathlib
import signal

from selenium import webdriver

from support.engines.webdriver import WebDriverEngine
from support.line_coverage import COVERAGE


class Chromium(WebDriverEngine):
    name = "chromium"

    def __init__(self, profile: pathlib.Path, language: str, answers_questions: bool):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        # Chromium's sandbox does not work for root, and /dev/shm is tiny in containers. All pages are on loopback.
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.add_argument("--window-size=1000,800")
        options.add_argument(f"--user-data-dir={profile}")
        options.add_argument(f"--accept-lang={language}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if not answers_questions:
            # The classic protocol always answers the question, so this needs BiDi.
            options.enable_bidi = True
            options.set_capability("unhandledPromptBehavior", {"beforeUnload": "ignore"})
        # The driver is named explicitly, because selenium would download one otherwise.
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(20)
        self.messages: list[str] = []
        self._watch()

    def cdp(self, command: str, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def _watch(self) -> None:
        """Records which code runs in the tab in front."""
        self.cdp("Profiler.enable")
        self.cdp("Profiler.startPreciseCoverage", callCount=True, detailed=True)

    def take_coverage(self) -> None:
        COVERAGE.add(self.cdp("Profiler.takePreciseCoverage")["result"])

    def new_tab(self) -> None:
        super().new_tab()
        self._watch()

    def set_folder(self, selector: str, path: pathlib.Path) -> None:
        self.set_files(selector, [path])

    def keep_dialogs_closed(self) -> None:
        self.cdp("Page.setInterceptFileChooserDialog", enabled=True)

    def show(self, width: int, height: int, scheme: str) -> None:
        self.cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        self.cdp(
            "Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in features.items()]
        )

    def force_colors(self) -> None:
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])

    def before_pages(self, text: str) -> None:
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=text)

    def go_offline(self, offline: bool) -> None:
        self.cdp("Network.enable")
        self.cdp(
            "Network.emulateNetworkConditions", offline=offline, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def drag(self, kind: str, selector: str, paths: list[pathlib.Path]) -> None:
        box = self.script("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)
        self.cdp(
            "Input.dispatchDragEvent",
            type=kind,
            x=box["x"] + box["width"] / 2,
            y=box["y"] + box["height"] / 2,
            data={"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1},
        )

    def allow_clipboard(self) -> None:
        """A clipboard belongs to the page that has the focus, and a tab without a window has none."""
        self.cdp("Emulation.setFocusEmulationEnabled", enabled=True)
        self.cdp("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])

    def paste(self) -> None:
        for kind in ("keyDown", "keyUp"):
            # The editing command is what the system makes of the keys.
            self.cdp(
                "Input.dispatchKeyEvent",
                type=kind,
                key="v",
                code="KeyV",
                windowsVirtualKeyCode=ord("V"),
                modifiers=2,
                commands=["paste"] if kind == "keyDown" else [],
            )

    def console(self) -> list[str]:
        self.messages += [entry["message"] for entry in self.driver.get_log("browser")]
        return [line for line in self.messages if "Content Security Policy" in line or "Uncaught" in line]

    def picture(self) -> bytes:
        return base64.b64decode(self.cdp("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def crash(self) -> None:
        # By its process id: it is the driver's only child.
        threads = pathlib.Path(f"/proc/{self.driver.service.process.pid}/task").iterdir()
        [browser] = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        os.kill(browser, signal.SIGKILL)
