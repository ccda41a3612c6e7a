"""Accessibility: screen readers and keyboards, small and large screens, light and dark, English and Chinese.

axe-core checks the page in all its states. A picture of every state is kept as an artefact.
"""

import itertools

import pytest
from axe_core_python.base import AXE_SCRIPT
from selenium.webdriver.common.keys import Keys

from support.browser import Browser, open_browser
from support.client import MIB, random_bytes
from support.media import png
from support.server import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.core]

# Browsers do not draw rows out of sight, but every row has to be checked.
DRAW_ALL = """
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('.uploader-item { content-visibility: visible }');
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
"""
SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}


def look(browser: Browser, name: str) -> None:
    """Runs axe on the page in its current state, on each screen in light and dark, and keeps a picture of each."""
    found = []
    browser.script(DRAW_ALL)
    browser.script(AXE_SCRIPT)
    screens = [screen for screen in SCREENS if screen != "phone" or browser.can("phone")]
    schemes = [scheme for scheme in ("light", "dark") if scheme != "dark" or browser.can("dark scheme")]
    for screen, scheme in itertools.product(screens, schemes):
        width, height = SCREENS[screen]
        browser.show(width, height, scheme)
        browser.script("scrollTo(0, 0)")
        browser.async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        for violation in browser.async_script("axe.run().then(({ violations }) => arguments[0](violations))"):
            places = [node["html"][:120] for node in violation["nodes"]]
            found.append(f"{screen} {scheme}: {violation['id']}: {violation['help']}: {places}")
        wider = browser.script("return document.documentElement.scrollWidth - innerWidth")
        if wider > 0:
            found.append(f"{screen} {scheme}: {wider} pixels wider than the screen")
        # Where nothing is hidden, Firefox counts the space below the letters as more than the box.
        cut = browser.script(
            """return [...document.querySelectorAll('.uploader-name')]
              .filter((box) => getComputedStyle(box).overflowY !== 'visible')
              .filter((box) => box.scrollHeight > box.clientHeight + 1).map((box) => box.textContent)"""
        )
        if cut:
            found.append(f"{screen} {scheme}: cut off: {cut}")
        browser.screenshot(f"{name}-{screen}-{scheme}")
    assert found == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_no_barrier_in_any_state_of_the_page(server, engine, tmp_path, language):
    server.stop_program()
    server.start_program("--max-file-size", "4M")
    files = {
        "Holiday in the mountains, second day, before breakfast.png": png(640, 480, [(90, 150, 220), (40, 120, 60)]),
        "会议记录.pdf": random_bytes(40_000),
        "too large.iso": bytes(5 * MIB),
        "song.mp3": bytes(3 * MIB),
        "archive-of-everything_that-has_no_spaces_in_its_name_at_all-2026-11-23.zip": bytes(4 * MIB - 1),
        "video.mp4": bytes(4 * MIB - 7),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    names = list(files)
    tag = {"en": "en-GB", "zh": "zh-CN"}[language]
    with open_browser(server, tmp_path / "profile", engine, language=tag) as browser:
        browser.open()
        assert browser.script("return document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
        heading = {"en": "Upload files", "zh": "上传文件"}[language]
        assert (browser.text("h1"), browser.title()) == (heading, heading)
        look(browser, f"{language}-1-idle")

        browser.slow_down(MIB // 16)
        browser.pick(*(tmp_path / name for name in names[4:]))
        wait_until(lambda: browser.remembered() >= 0, 10, "the browser remembers the unfinished uploads")
        browser.reload()
        wait_until(lambda: len(browser.pending()) == 2, 10, "both are pending")
        look(browser, f"{language}-2-pending")
        for _ in range(2):
            browser.click(".pending-forget")
        browser.full_speed()

        browser.pick(*(tmp_path / name for name in names[:3]))
        browser.wait_for_states("done", "done", "failed")
        browser.slow_down(MIB // 16)
        browser.pick(*(tmp_path / name for name in names[3:]), tmp_path / names[0])
        wait_until(lambda: len(browser.rows()) == 6, 10, "all are on the list")
        browser.press("pause", names[4])
        browser.press("cancel", names[3])
        browser.wait_for_states("done", "done", "failed", "cancelled", "paused", "uploading")
        wait_until(lambda: "MB" in browser.rows()[5]["text"].partition("\n")[2], 20, "it has a size")
        look(browser, f"{language}-3-uploading")

        browser.press("edit", names[4])
        wait_until(lambda: browser.visible(".file-edit-container"), 5, "the details are visible")
        look(browser, f"{language}-4-details")
        browser.click(".uploader-edit-cancel")

        browser.click(".progress-pause-link")
        wait_until(lambda: browser.whole() == "paused", 5, "everything is paused")
        look(browser, f"{language}-5-paused")

        browser.full_speed()
        browser.click(".progress-resume-link")
        browser.press("resume", names[4])
        browser.wait_for_states("done", "done", "failed", "cancelled", "done", "done")
        wait_until(lambda: browser.percent() == 100, 5, "the bar is full")
        look(browser, f"{language}-6-done")


# The colours of the bar of the whole, of its track, and of the page.
COLORS = """return ['.progress-bar', '.progress-container', 'body'].map((selector) =>
  getComputedStyle(document.querySelector(selector)).backgroundColor)"""


@pytest.mark.needs("forced colours")
def test_bars_are_visible_in_forced_colors(browser, tmp_path):
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(random_bytes(6 * MIB))
    browser.open().slow_down(MIB // 2)
    browser.force_colors()
    wait_until(lambda: browser.script("return matchMedia('(forced-colors: active)').matches"), 5, "colours are forced")
    browser.pick(tmp_path / "a.bin", tmp_path / "b.bin")
    wait_until(lambda: browser.percent() > 10, 30, "the bar has a length")
    for state in ("uploading", "paused"):
        bar, track, page = browser.script(COLORS)
        assert bar not in (track, page), f"{state}: {bar} on {track} on {page}"
        assert browser.script(
            "return getComputedStyle(document.querySelector('.progress-container')).borderTopWidth") == "1px"
        browser.screenshot(f"forced-{state}")
        if state == "uploading":
            browser.click(".progress-pause-link")
            wait_until(lambda: browser.whole() == "paused", 5, "everything is paused")


# The contrast (WCAG 2.2, relative luminance) of what is drawn on what, for a row in each state. A browser's bar is a
# pseudo-element, which not all engines compute, so its colour is read from the property that the style sheet gives it.
CONTRASTS = """
  const parse = (text) => text.startsWith('#')
    ? [...text.slice(1).padEnd(4, text.at(-1)).matchAll(text.length < 7 ? /./g : /../g)].slice(0, 3)
      .map(([digits]) => parseInt(digits.padStart(2, digits), 16))
    : text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const luminance = (text) => parse(text).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  const page = style('body').backgroundColor;
  const row = document.querySelector('.uploader-item');
  const surface = getComputedStyle(row).backgroundColor;
  const track = style('.uploader-bar').backgroundColor;
  const found = {
    'icon of a button': contrast(style('.uploader-button').color, surface),
    'icon of a file': contrast(style('.uploader-thumb').color, style('.uploader-thumb').backgroundColor),
    'edge of a button': contrast(style('.progress-pause-link').borderTopColor, page),
    'edge of the drop area': contrast(style('.resumable-drop').borderTopColor, page),
    'track of a row': contrast(track, surface),
    'track of the whole': contrast(style('.progress-container').backgroundColor, page),
    'bar of the whole': contrast(style('.progress-bar').backgroundColor, style('.progress-container').backgroundColor),
  };
  const before = row.dataset.state;
  for (const state of ['uploading', 'paused', 'retrying', 'failed']) {
    row.dataset.state = state;
    found[`bar, ${state}`] = contrast(style('.uploader-bar').getPropertyValue('--bar').trim(), track);
  }
  row.dataset.state = before;
  return found;
"""


@pytest.mark.core
def test_icons_edges_and_bars_have_a_contrast_of_three_to_one(browser, tmp_path):
    (tmp_path / "a.bin").write_bytes(random_bytes(6 * MIB))
    browser.open().slow_down(MIB // 2)
    browser.pick(tmp_path / "a.bin")
    browser.wait_for_states("uploading")
    for scheme in ("light", "dark") if browser.can("dark scheme") else ("light",):
        if browser.can("dark scheme"):
            browser.show(1280, 900, scheme)
            wait_until(
                lambda: browser.script(f"return matchMedia('(prefers-color-scheme: {scheme})').matches"), 5, scheme
            )
            # Buttons have transitions.
            browser.wait(500)
        contrasts = browser.script(CONTRASTS)
        assert len(contrasts) == 11
        assert {name: value for name, value in contrasts.items() if value < 3} == {}, scheme


# A point of the bar of the only row, one of its track, and their colours in the style sheet, for a state.
BAR = """
  const bar = document.querySelector('.uploader-bar');
  document.querySelector('.uploader-item').dataset.state = arguments[0];
  bar.hidden = false;
  const { left, top, width, height } = bar.getBoundingClientRect();
  const y = Math.floor(scrollY + top + height / 2);
  const end = left + width * bar.value / bar.max;
  const colorOf = (name) => {
    const [, ...digits] = getComputedStyle(bar).getPropertyValue(name).trim();
    return [0, 1, 2].map((at) => parseInt(digits.slice(2 * at, 2 * at + 2).join(''), 16));
  };
  return { points: [[Math.floor((left + end) / 2), y], [Math.floor((left + width + end) / 2), y]],
    colors: [colorOf('--bar'), colorOf('--track')] };
"""


@pytest.mark.core
def test_bars_are_painted_in_the_colors_of_their_states(browser, tmp_path):
    (tmp_path / "a.bin").write_bytes(random_bytes(6 * MIB))
    browser.open().slow_down(MIB)
    browser.pick(tmp_path / "a.bin")
    wait_until(lambda: browser.percent() > 20, 30, "the bar has a length")
    browser.press("pause", "a.bin")
    browser.wait_for_states("paused")
    # Changes that wait for a resting pointer, and transitions.
    browser.wait(4000)
    for state in ("paused", "uploading", "retrying", "failed"):
        # A busy machine may paint the change a moment later.
        wait_until(lambda: is_painted(browser, state), 10, f"the bar of a file that is {state} is painted")


def is_painted(browser, state: str) -> bool:
    bar = browser.script(BAR, state)
    assert bar["colors"][0] != bar["colors"][1]
    painted = browser.painted(*bar["points"])
    far = [abs(one - other) for pair in zip(painted, bar["colors"]) for one, other in zip(*pair)]
    print(state, painted, bar["colors"])
    return max(far) <= 8


def focused(browser) -> str:
    """The name that a screen reader reads for the element with the focus."""
    return browser.script(
        """const element = document.activeElement;
        return element.ariaLabel || element.innerText.trim() || element.name || element.tagName"""
    )


def tab_to(browser, wanted: str) -> None:
    for _ in range(40):
        if focused(browser) == wanted:
            return
        browser.type(Keys.TAB)
    raise AssertionError(f"the keyboard does not reach {wanted!r}")


def test_everything_can_be_done_with_the_keyboard(server, browser, tmp_path):
    (tmp_path / "letter.bin").write_bytes(random_bytes(12 * MIB, seed=1))
    browser.open().slow_down(MIB)
    # The dialogue belongs to the system. The page requests it by a function, or in a browser without that function by
    # a click on the input.
    browser.script(
        """window.asked = [];
        window.showOpenFilePicker = async () => { asked.push('picker'); return []; };
        document.querySelector('.resumable-browse input').addEventListener('click', (event) => {
          asked.push('input');
          event.preventDefault();
        })"""
    )
    tab_to(browser, "Choose files")
    browser.type(Keys.ENTER)
    wait_until(lambda: browser.script("return asked") == ["picker"], 5, "Enter opens the dialogue")
    browser.script("delete window.showOpenFilePicker; delete Window.prototype.showOpenFilePicker")
    browser.type(Keys.SPACE)
    wait_until(lambda: browser.script("return asked") == ["picker", "input"], 5, "Space opens the dialogue")
    browser.pick(tmp_path / "letter.bin")
    browser.wait_for_states("uploading")

    tab_to(browser, "Pause: letter.bin")
    browser.type(Keys.ENTER)
    browser.wait_for_states("paused")
    assert focused(browser) == "Resume: letter.bin", "the focus stays at the place of the button"

    tab_to(browser, "Edit details: letter.bin")
    browser.type(Keys.SPACE)
    wait_until(lambda: focused(browser) == "title", 5, "the focus goes to the first field")
    browser.type("A letter")
    browser.type(Keys.ESCAPE)
    wait_until(lambda: focused(browser) == "Edit details: letter.bin", 5, "the focus comes back")
    assert not browser.visible(".file-edit-container")
    browser.type(Keys.ENTER)
    browser.type("A better letter" + Keys.ENTER)
    wait_until(lambda: "A better letter" in browser.rows()[0]["text"], 5, "Enter saves")

    tab_to(browser, "Resume: letter.bin")
    browser.type(Keys.SPACE)
    browser.wait_for_states("uploading")
    browser.script("document.querySelector('.resumable-browse').focus()")
    tab_to(browser, "Pause")
    browser.type(Keys.ENTER)
    wait_until(lambda: focused(browser) == "Resume", 5, "the links change places under the focus")
    browser.type(Keys.ENTER)
    wait_until(lambda: browser.whole() == "uploading", 5, "it continues")

    tab_to(browser, "Cancel: letter.bin")
    browser.type(Keys.ENTER)
    browser.wait_for_states("cancelled")
    tab_to(browser, "Remove from the list: letter.bin")
    browser.type(Keys.ENTER)
    wait_until(lambda: browser.rows() == [], 5, "it is no longer on the list")
    assert focused(browser) == "Choose files", "the focus is not lost"

    browser.pick(tmp_path / "letter.bin")
    browser.pick(tmp_path / "letter.bin")
    tab_to(browser, "Dismiss")
    browser.type(Keys.ENTER)
    assert not browser.visible(".uploader-notice")
    assert focused(browser) == "Choose files", "the focus is not lost"


def test_screen_readers_get_announcements(server, browser, tmp_path):
    server.stop_program()
    server.start_program("--max-file-size", "10")
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "bad.txt").write_text("more than ten bytes")
    browser.open().script(
        """window.said = [];
        const live = document.querySelector('[role=status]');
        new MutationObserver(() => said.push(live.textContent))
          .observe(live, { childList: true, characterData: true, subtree: true })"""
    )
    browser.pick(tmp_path / "good.txt", tmp_path / "bad.txt")

    def said() -> str:
        return " ".join(browser.script("return said"))

    wait_until(lambda: "All uploads have ended." in said(), 10, "the end is announced")
    assert "Files added: 2." in said() and "good.txt is uploaded." in said() and "bad.txt failed: " in said()
    assert len(browser.script("return said")) <= 4, "announcements are combined"
    bar = browser.script(
        "const { ariaValueNow, ariaValueText, ariaLabel } = document.querySelector('[role=progressbar]');"
        "return [ariaValueNow, ariaValueText, ariaLabel]"
    )
    assert bar == ["100", "1 uploaded, 1 failed", "Upload progress"]


def test_the_tests_notice_a_broken_policy(server, engine, tmp_path):
    noticed = pytest.raises(AssertionError, match="Content Security Policy")
    with noticed, open_browser(server, tmp_path / "profile", engine) as browser:
        browser.open()
        assert browser.complaints() == []
        browser.script(
            "document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }))"
        )
        assert browser.script("return window.ran ?? 0") == 0, "no inline script runs"
