"""A real Chromium on the real page, in the words of the person in front of it: pick, drop, press, lose the network.

When a `Browser` is closed it has to have behaved: nothing on the page may have broken the Content-Security-Policy or
thrown an error that nobody caught. What went over the wire comes from the browser's own record of its traffic
(`Traffic`), so it is what was sent and not what the page believes. Which lines of our scripts ran is collected as well
(`LineCoverage`).
"""

import base64
import contextlib
import json
import os
import pathlib
import signal
import urllib.parse

from selenium import webdriver
from selenium.webdriver.common.by import By

from support.line_coverage import COVERAGE
from support.server import Server, wait_until

# Looks into the database of resumable-recovery.js.
REMEMBERED = """
    const done = arguments[0];
    indexedDB.open('resumable-recovery').onsuccess = ({ target }) => {
      const all = target.result.transaction('uploads').objectStore('uploads').getAll();
      all.onsuccess = () => { target.result.close(); done(all.result[0]?.progress ?? -1); };
    }
"""

ROUTES = ("/resumable_upload", "/api/photo/redeem-upload-token")


def start_chromium(
    profile: pathlib.Path, *, language: str = "en-US", answers_questions: bool = True
) -> webdriver.Chrome:
    """A Chromium with a profile of its own. The driver answers the question before leaving with yes, unless the test
    wants to."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    # Chromium's own sandbox doesn't work for root, and /dev/shm is tiny in containers. All it sees is the loopback.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--window-size=1000,800")
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument(f"--accept-lang={language}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    if not answers_questions:
        # The classic protocol answers whatever one asks for, so the newer one is needed.
        options.enable_bidi = True
        options.set_capability("unhandledPromptBehavior", {"beforeUnload": "ignore"})
    # Debian's driver, named explicitly: Selenium would download one otherwise.
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_script_timeout(20)
    return driver


@contextlib.contextmanager
def open_browser(server: Server, profile: pathlib.Path, **how):
    """A Chromium of the test's own, as `start_chromium` makes it, with a `Browser` in it."""
    driver = start_chromium(profile, **how)
    try:
        with Browser(server, driver) as browser:
            yield browser
    finally:
        driver.quit()


class Browser:
    """What a test does with the tab in front, and what it sees there."""

    def __init__(self, server: Server, driver: webdriver.Chrome):
        self.server = server
        self.driver = driver
        self.traffic = Traffic(driver)
        self.console: list[str] = []
        self.crashed = False

    def __enter__(self) -> "Browser":
        self._watch()
        return self

    def __exit__(self, kind, *_) -> None:
        # A test that has failed already has a better reason.
        if self.crashed or kind:
            return
        self.take_coverage()
        complaints = self.complaints()
        assert complaints == [], complaints

    def _watch(self) -> None:
        """Begins to record which code runs, in the tab that is in front."""
        self.cdp("Profiler.enable")
        self.cdp("Profiler.startPreciseCoverage", callCount=True, detailed=True)

    def take_coverage(self) -> None:
        """Notes which lines have run. Done before the page is left: the browser forgets with it."""
        COVERAGE.add(self.cdp("Profiler.takePreciseCoverage")["result"])

    # --- the browser itself

    def cdp(self, command: str, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def script(self, text: str, *arguments):
        return self.driver.execute_script(text, *arguments)

    def open(self, path: str = "/resumable") -> "Browser":
        self.take_coverage()
        self.driver.get(f"http://127.0.0.1:{self.server.port}{path}")
        return self

    def reload(self) -> None:
        self.take_coverage()
        self.driver.refresh()

    def new_tab(self) -> str:
        """Opens another tab, goes there, and returns its handle."""
        self.take_coverage()
        self.driver.switch_to.new_window("tab")
        self._watch()
        return self.driver.current_window_handle

    def crash(self) -> None:
        """Ends the browser as a power failure does, by the number of its process: the driver's only child."""
        self.take_coverage()
        threads = pathlib.Path(f"/proc/{self.driver.service.process.pid}/task").iterdir()
        [browser] = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        os.kill(browser, signal.SIGKILL)
        self.crashed = True

    def complaints(self) -> list[str]:
        """What the console has of broken policies and errors that nobody caught."""
        self.console += [entry["message"] for entry in self.driver.get_log("browser")]
        return [line for line in self.console if "Content Security Policy" in line or "Uncaught" in line]

    def screenshot(self, name: str) -> None:
        """Keeps a picture of the whole page, for people to look at."""
        if folder := os.environ.get("ARTEFACTS"):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            picture = self.cdp("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            pathlib.Path(folder, f"{name}.png").write_bytes(base64.b64decode(picture))

    # --- the network

    def _network(self, bytes_per_second: int, offline: bool) -> None:
        self.cdp("Network.enable")
        self.cdp(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=bytes_per_second,
        )

    def slow_down(self, bytes_per_second: int) -> None:
        self._network(bytes_per_second, offline=False)

    def full_speed(self) -> None:
        self._network(-1, offline=False)

    def go_offline(self) -> None:
        self._network(-1, offline=True)

    # --- giving files

    def pick(self, *files: pathlib.Path) -> None:
        """Gives files to the page's file input, as its file dialogue does."""
        place = self._input(".resumable-browse input, #browse input, .uploader-plain [type=file]")
        place.send_keys("\n".join(map(str, files)))

    def pick_folder(self, folder: pathlib.Path) -> None:
        self._input("input[type=file][webkitdirectory]").send_keys(str(folder))

    def give_pending(self, file: pathlib.Path) -> None:
        """Answers the file dialogue that an unfinished upload has opened."""
        self._input(".pending input[type=file]").send_keys(str(file))

    def _input(self, selector: str):
        return wait_until(lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), 10, "there is an input")[0]

    def drag(self, kind: str, *paths: pathlib.Path, over: str = ".resumable-drop") -> None:
        """One step of a real drag with files or folders from outside the browser."""
        box = self.script("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", over)
        self.cdp(
            "Input.dispatchDragEvent",
            type=kind,
            x=box["x"] + box["width"] / 2,
            y=box["y"] + box["height"] / 2,
            data={"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1},
        )

    def drop(self, *paths: pathlib.Path, over: str = ".resumable-drop") -> None:
        for kind in ("dragEnter", "dragOver", "drop"):
            self.drag(kind, *paths, over=over)

    # --- what the page shows

    def rows(self) -> list[dict]:
        """Name, state and texts of each file on the list."""
        return self.script(
            """return [...document.querySelectorAll('.uploader-item')].map((row) => ({
                name: row.dataset.name, state: row.dataset.state, text: row.innerText,
                message: row.querySelector('.uploader-message').textContent }))"""
        )

    def pending(self) -> list[str]:
        """The names of the uploads that an earlier visit left unfinished."""
        return self.script("return [...document.querySelectorAll('.pending-item')].map((row) => row.dataset.name)")

    def wait_for_pending(self, *names: str) -> None:
        wait_until(lambda: self.pending() == list(names), 10, f"these are pending: {names}")

    def remembered(self) -> float:
        """The progress that the browser's database has of the first file that is under way; -1 if there is none."""
        return self.driver.execute_async_script(REMEMBERED)

    def states(self) -> list[str]:
        return [row["state"] for row in self.rows()]

    def wait_for_states(self, *states: str, seconds: float = 20) -> None:
        try:
            wait_until(lambda: self.states() == list(states), seconds, f"the files are {states}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the page shows {self.rows()}") from None

    def whole(self) -> str:
        """The state of the whole: idle, uploading, paused or done."""
        return self.script("return document.documentElement.dataset.uploaderState")

    def percent(self) -> int:
        return int(self.script("return document.querySelector('[role=progressbar]').ariaValueNow"))

    def text(self, selector: str) -> str:
        return self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def visible(self, selector: str) -> bool:
        return any(element.is_displayed() for element in self.driver.find_elements(By.CSS_SELECTOR, selector))

    def click(self, selector: str) -> None:
        """Clicks as soon as there is something to click on: the page shows what has changed a moment later."""
        wait_until(lambda: self.visible(selector), 10, f"{selector} is there")
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def paste(self, copy: str) -> None:
        """Puts something into the clipboard by a script, whose promise it waits for, and presses the keys for paste."""
        # A clipboard belongs to the page that has the focus, and a tab without a window has none.
        self.cdp("Emulation.setFocusEmulationEnabled", enabled=True)
        self.cdp("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        problem = self.driver.execute_async_script(
            f"({copy}).then(() => arguments[0](''), (error) => arguments[0](String(error)))"
        )
        assert problem == "", problem
        self.key("v", modifiers=2, commands=["paste"])

    def key(self, key: str, modifiers: int = 0, commands: list[str] = ()) -> None:
        """A key of the keyboard, down and up. The editing commands are what the system makes of it."""
        code = {"code": f"Key{key.upper()}", "windowsVirtualKeyCode": ord(key.upper())}
        for kind in ("keyDown", "keyUp"):
            self.cdp(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                modifiers=modifiers,
                commands=list(commands) if kind == "keyDown" else [],
                **code,
            )

    def type(self, keys: str) -> None:
        """Types on the keyboard, whatever has the focus."""
        webdriver.ActionChains(self.driver).send_keys(keys).perform()

    def fill(self, selector: str, text: str) -> None:
        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def list_data(self, name: str) -> str:
        """A number that the list tells about all its files: files, done, failed."""
        return self.script("return document.querySelector('.uploader-list').dataset[arguments[0]]", name)

    def press(self, action: str, name: str) -> None:
        """Presses the button of a file's row."""
        self.click(f'.uploader-item[data-name="{name}"] button[data-action={action}]')


class Traffic:
    """The requests that the browser has sent to the upload routes, and what came back."""

    def __init__(self, driver):
        self.driver = driver
        #: The parameters of each test and of each chunk that was sent, by the browser's number of the request.
        self.tests: dict[str, dict[str, str]] = {}
        self.uploads: dict[str, dict[str, str]] = {}
        self.statuses: dict[str, int] = {}
        #: Chunk numbers in the order in which the server confirmed them.
        self.stored: list[int] = []
        #: Chunk numbers that were sent although they were confirmed.
        self.sent_again: list[int] = []

    def read(self) -> "Traffic":
        """Takes in what has happened since the last time."""
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            parameters = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                self._request(parameters["requestId"], parameters["request"])
            elif event["method"] == "Network.responseReceived":
                self._answer(parameters["requestId"], parameters["response"]["status"])
        return self

    def _request(self, request: str, details: dict) -> None:
        url = urllib.parse.urlsplit(details["url"])
        if not url.path.endswith(ROUTES):
            return
        # As later releases of the original, our client repeats all parameters in the query string.
        fields = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if details["method"] == "GET":
            self.tests[request] = fields
        elif details["method"] == "POST":
            self.uploads[request] = fields
            if int(fields.get("resumableChunkNumber", -1)) in self.stored:
                self.sent_again.append(int(fields["resumableChunkNumber"]))

    def _answer(self, request: str, status: int) -> None:
        if request in self.tests or request in self.uploads:
            self.statuses[request] = status
        if status == 200 and request in self.uploads:
            # Early releases of the original have it in the body only, which the record doesn't show.
            self.stored.append(int(self.uploads[request].get("resumableChunkNumber", 0)))

    def answers_to(self, requests: dict[str, dict]) -> set[int]:
        """The statuses that came back to some of the requests: to `tests` or to `uploads`."""
        return {self.statuses[request] for request in requests if request in self.statuses}

    def answers(self) -> set[int]:
        return set(self.statuses.values())
