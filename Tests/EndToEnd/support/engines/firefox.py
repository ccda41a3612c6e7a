"""Debian's Firefox, by WebDriver BiDi on its remote debugging port (https://w3c.github.io/webdriver-bidi/).

The session may also use Firefox's own window (the `chrome` scope), for a file dialogue that answers without a
person and for the colour scheme.
"""

import base64
import json
import pathlib
import subprocess

import websocket

from support.engines.drag import ScriptedDrag
from support.server import wait_until

PREFERENCES = {
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.startup.page": 0,
    "browser.startup.homepage_override.mstone": "ignore",
    "extensions.getAddons.cache.enabled": False,
    # A window without a screen can have the focus.
    "focusmanager.testmode": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "ui.prefersReducedMotion": 1,
}

# Replaces the file dialogue of Firefox's window. A click on a file input goes the usual way, and the dialogue answers
# with the folder that is set, or as if it had been cancelled.
DIALOG = """
    globalThis.pickedFolder = null;
    class Picker {
      QueryInterface = ChromeUtils.generateQI(['nsIFilePicker']);
      init(context, title, mode) { this.mode = mode; }
      appendFilters() {}
      appendFilter() {}
      appendRawFilter() {}
      isModeSupported() { return Promise.resolve(true); }
      get file() { return pickedFolder; }
      get files() { return [][Symbol.iterator](); }
      open(done) {
        const result = pickedFolder ? Ci.nsIFilePicker.returnOK : Ci.nsIFilePicker.returnCancel;
        Services.tm.dispatchToMainThread(() => { done.done(result); globalThis.pickedFolder = null; });
      }
    }
    Components.manager.QueryInterface(Ci.nsIComponentRegistrar).registerFactory(
      Services.uuid.generateUUID(), '', '@mozilla.org/filepicker;1',
      {
        QueryInterface: ChromeUtils.generateQI(['nsIFactory']),
        createInstance: (iid) => new Picker().QueryInterface(iid),
      });
"""

CONFIRM = """
    const frame = [...document.querySelectorAll('browser.dialogFrame')].find(
      (each) => each.currentURI?.spec.endsWith('/commonDialog.xhtml'));
    try {
      const accept = frame.contentDocument.getElementById('commonDialog').getButton('accept');
      if (accept.disabled) return false;
      accept.click();
      return true;
    } catch {
      // It is not loaded yet.
      return false;
    }
"""

# Policy violations are not errors of scripts, so a script reports them. Firefox itself requests the icon of a site.
REPORT_VIOLATIONS = """() => addEventListener('securitypolicyviolation', (event) =>
    event.blockedURI.endsWith('/favicon.ico') ||
    console.error('Content Security Policy: ' + event.violatedDirective + ' ' + event.blockedURI))"""


class BiDiError(Exception):
    pass


class Firefox(ScriptedDrag):
    name = "firefox"

    def __init__(self, profile: pathlib.Path, language: str, answers_questions: bool):
        profile.mkdir(exist_ok=True)
        preferences = {**PREFERENCES, "intl.accept_languages": language}
        (profile / "user.js").write_text(
            "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
        )
        self.messages: list[str] = []
        self.question: str | None = None
        self.calls = 0
        address = profile / "WebDriverBiDiServer.json"
        address.unlink(missing_ok=True)
        with open(profile / "firefox.log", "wb") as log:
            self.process = subprocess.Popen(
                ["firefox-esr", "--headless", "--no-remote", "--profile", profile]
                + ["--remote-debugging-port", "0", "--remote-allow-system-access"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        try:
            wait_until(lambda: address.exists() and address.read_text().endswith("}"), 30, "Firefox listens")
            port = json.loads(address.read_text())["ws_port"]
            # Firefox refuses connections from pages, which have an origin.
            self.socket = websocket.create_connection(
                f"ws://127.0.0.1:{port}/session", suppress_origin=True, timeout=60
            )
            behavior = {"beforeUnload": "accept" if answers_questions else "ignore", "default": "ignore"}
            self.call("session.new", capabilities={"alwaysMatch": {"unhandledPromptBehavior": behavior}})
            self.call("session.subscribe", events=["log.entryAdded", "browsingContext.userPromptOpened"])
            self.context = self.call("browsingContext.getTree")["contexts"][0]["context"]
            self.window = self.call("browsingContext.getTree", **{"moz:scope": "chrome"})["contexts"][0]["context"]
            self.call("script.addPreloadScript", functionDeclaration=REPORT_VIOLATIONS)
            self.resize(1000, 800)
        except BaseException:
            self._end()
            raise

    # --- the protocol

    def call(self, method: str, **parameters) -> dict:
        self.calls += 1
        self.socket.send(json.dumps({"id": self.calls, "method": method, "params": parameters}))
        number = self.calls
        while True:
            message = json.loads(self.socket.recv())
            if message["type"] == "event":
                self._event(message["method"], message["params"])
            elif message.get("id") == number:
                if message["type"] == "error":
                    raise BiDiError(f"{method}: {message['error']}: {message['message']}")
                return message["result"]

    def _event(self, method: str, details: dict) -> None:
        if method == "browsingContext.userPromptOpened":
            self.question = details["context"]
        elif method == "log.entryAdded" and details["level"] == "error":
            self.messages.append(f"{details['type']}: {details['text']}")

    def _call_function(self, function: str, arguments: list, *, by_user: bool = False):
        result = self.call(
            "script.callFunction",
            functionDeclaration=function,
            arguments=arguments,
            awaitPromise=True,
            target={"context": self.context},
            userActivation=by_user,
        )
        if result["type"] == "exception":
            raise BiDiError(result["exceptionDetails"]["text"])
        return result["result"]

    def _json(self, body: str, arguments: tuple):
        result = self._call_function(
            f"""async (given) => {{
                const value = await (function() {{ {body} }}).apply(null, JSON.parse(given));
                return JSON.stringify(value ?? null);
            }}""",
            [{"type": "string", "value": json.dumps(arguments)}],
        )
        return json.loads(result["value"])

    def _in_window(self, text: str) -> bool:
        """Runs the body of a function in Firefox's own window. Returns whether its value is true."""
        result = self.call(
            "script.evaluate",
            expression=f"Boolean((() => {{ {text} }})())",
            target={"context": self.window},
            awaitPromise=False,
        )
        if result["type"] == "exception":
            raise BiDiError(result["exceptionDetails"]["text"])
        return result["result"]["value"]

    def _element(self, selector: str) -> str:
        node = self._call_function(
            "(selector) => document.querySelector(selector)", [{"type": "string", "value": selector}]
        )
        assert node["type"] == "node", f"there is no {selector}"
        return node["sharedId"]

    # --- pages

    def open(self, url: str) -> None:
        self.call("browsingContext.navigate", context=self.context, url=url, wait="complete")
        self._focus()

    def reload(self) -> None:
        self.call("browsingContext.reload", context=self.context, wait="complete")

    def url(self) -> str:
        return self.call("browsingContext.getTree", root=self.context)["contexts"][0]["url"]

    def title(self) -> str:
        return self.script("return document.title")

    def script(self, text: str, *arguments):
        return self._json(text, arguments)

    def async_script(self, text: str, *arguments):
        return self._json(
            f"""const given = [...arguments];
            return new Promise((done) => (function() {{ {text} }}).apply(null, [...given, done]));""",
            arguments,
        )

    def _focus(self) -> None:
        """Gives the page the focus, as a click into the window would. Its own element with the focus stays the same."""
        self._in_window("window.focus(); gBrowser.selectedBrowser.focus()")

    # --- input

    def click(self, selector: str) -> None:
        self.hold(selector)
        self.let_go()

    def hold(self, selector: str) -> None:
        element = self._element(selector)
        covered = self.script(
            """const element = document.querySelector(arguments[0]);
            element.scrollIntoView({ block: 'center', behavior: 'instant' });
            const { x, y, width, height } = element.getBoundingClientRect();
            const hit = document.elementFromPoint(x + width / 2, y + height / 2);
            return element.contains(hit) ? '' : hit?.outerHTML ?? 'nothing';""",
            selector,
        )
        assert not covered, f"{selector} is covered by {covered[:200]}"
        middle = {"type": "element", "element": {"sharedId": element}}
        actions = [{"type": "pointerMove", "x": 0, "y": 0, "origin": middle}, {"type": "pointerDown", "button": 0}]
        self._perform({"type": "pointer", "id": "mouse", "actions": actions})

    def let_go(self) -> None:
        self._perform({"type": "pointer", "id": "mouse", "actions": [{"type": "pointerUp", "button": 0}]})

    def _perform(self, *sources: dict) -> None:
        self.call("input.performActions", context=self.context, actions=list(sources))

    def set_files(self, selector: str, paths: list[pathlib.Path]) -> None:
        element = {"sharedId": self._element(selector)}
        self.call("input.setFiles", context=self.context, element=element, files=list(map(str, paths)))

    def set_folder(self, selector: str, path: pathlib.Path) -> None:
        # setFiles takes files only.
        self.keep_dialogs_closed()
        self._in_window(
            f"""globalThis.pickedFolder = Cc['@mozilla.org/file/local;1'].createInstance(Ci.nsIFile);
            pickedFolder.initWithPath({json.dumps(str(path))});"""
        )
        self._call_function(
            "(selector) => document.querySelector(selector).click()",
            [{"type": "string", "value": selector}],
            by_user=True,
        )
        # Firefox asks whether to upload the whole folder. The button works after a moment.
        wait_until(lambda: self._in_window(CONFIRM), 10, "Firefox asks whether to upload the folder")

    def keep_dialogs_closed(self) -> None:
        self._in_window(DIALOG)

    def type(self, keys: str) -> None:
        self._focus()
        actions = []
        for key in keys:
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._perform({"type": "key", "id": "keyboard", "actions": actions})

    def fill(self, selector: str, text: str) -> None:
        self.script("const field = document.querySelector(arguments[0]); field.focus(); field.select()", selector)
        # The keys for the end of a line and the next field.
        self.type(text.replace("\n", "\ue006").replace("\t", "\ue004"))

    # --- tabs and screens

    def tab(self) -> str:
        return self.context

    def new_tab(self) -> None:
        self.context = self.call("browsingContext.create", type="tab")["context"]

    def go_to_tab(self, handle: str) -> None:
        self.context = handle
        self.call("browsingContext.activate", context=handle)

    def resize(self, width: int, height: int) -> None:
        self.call("browsingContext.setViewport", context=self.context, viewport={"width": width, "height": height})

    def show(self, width: int, height: int, scheme: str) -> None:
        self.resize(width, height)
        self._in_window(f"gBrowser.selectedBrowser.browsingContext.prefersColorSchemeOverride = '{scheme}'")

    def force_colors(self) -> None:
        self._in_window("Services.prefs.setIntPref('browser.display.document_color_use', 2)")

    def before_pages(self, text: str) -> None:
        self.call("script.addPreloadScript", functionDeclaration=f"() => {{ {text} }}")

    def go_offline(self, offline: bool) -> None:
        conditions = {"type": "offline"} if offline else None
        self.call("emulation.setNetworkConditions", networkConditions=conditions, contexts=[self.context])

    # --- questions

    def asks(self) -> bool:
        # Answers to any command bring the events that came before.
        self.call("session.status")
        return self.question is not None

    def stay(self) -> None:
        context, self.question = self.question, None
        self.call("browsingContext.handleUserPrompt", context=context, accept=False)

    # --- what it has to say

    def console(self) -> list[str]:
        self.call("session.status")
        lines = [line for line in self.messages if "/favicon.ico" not in line]
        return [line for line in lines if "Content Security Policy" in line or line.startswith("javascript:")]

    def take_coverage(self) -> None:
        """Only Chromium measures it."""

    def picture(self) -> bytes:
        height = self.script("return document.documentElement.scrollHeight")
        # Firefox takes pictures of at most 65,535 pixels.
        origin = "document" if height < 60_000 else "viewport"
        taken = self.call("browsingContext.captureScreenshot", context=self.context, origin=origin)
        return base64.b64decode(taken["data"])

    # --- the end

    def crash(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        try:
            if self.process.poll() is None:
                self.call("browser.close")
                self.process.wait(20)
        finally:
            self._end()

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
