"""The parts of `Engine` that WebDriver has commands for, through selenium."""

import pathlib

from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver


class WebDriverEngine:
    driver: WebDriver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def reload(self) -> None:
        self.driver.refresh()

    def url(self) -> str:
        return self.driver.current_url

    def title(self) -> str:
        return self.driver.title

    def script(self, text: str, *arguments):
        return self.driver.execute_script(text, *arguments)

    def async_script(self, text: str, *arguments):
        return self.driver.execute_async_script(text, *arguments)

    def _element(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        self._element(selector).click()

    def hold(self, selector: str) -> None:
        webdriver.ActionChains(self.driver).click_and_hold(self._element(selector)).perform()

    def let_go(self) -> None:
        webdriver.ActionChains(self.driver).release().perform()

    def set_files(self, selector: str, paths: list[pathlib.Path]) -> None:
        self._element(selector).send_keys("\n".join(map(str, paths)))

    def keep_dialogs_closed(self) -> None:
        """An automated WebKit opens none."""

    def type(self, keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(keys).perform()

    def fill(self, selector: str, text: str) -> None:
        field = self._element(selector)
        field.clear()
        field.send_keys(text)

    def tab(self) -> str:
        return self.driver.current_window_handle

    def new_tab(self) -> None:
        self.driver.switch_to.new_window("tab")

    def go_to_tab(self, handle: str) -> None:
        self.driver.switch_to.window(handle)

    def resize(self, width: int, height: int) -> None:
        self.driver.set_window_size(width, height)

    def asks(self) -> bool:
        try:
            return bool(self.driver.switch_to.alert)
        except NoAlertPresentException:
            return False

    def stay(self) -> None:
        self.driver.switch_to.alert.dismiss()

    def take_coverage(self) -> None:
        """Only Chromium measures it."""

    def close(self) -> None:
        self.driver.quit()
