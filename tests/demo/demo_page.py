"""What a person does on the page, in a word each."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PATIENCE = 90_000  # milliseconds: machines are slow, and so are models
_ANSWERS = "#mmx-shown :is(figure, .mmx-error)"
_IDLE = "document.querySelector('#mmx-shown > .wrap').classList.contains('hide')"


class Page:
    """One person's browser window. `elsewhere` has what it asked of other hosts, `complaints` its console's errors."""

    def __init__(self, window: Any, address: str) -> None:
        self._window, self._address = window, address
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        window.set_default_timeout(_PATIENCE)
        window.on("request", self._note_request)
        window.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        window.goto(address)
        window.wait_for_selector("#mmx-samples button")

    def choose_checkpoint(self, name: str) -> None:
        box, name = self._window.get_by_label("Checkpoint"), Path(name).name
        if box.input_value() == name:
            return
        box.click()
        with self._window.expect_response(lambda answer: "queue/join" in answer.url):
            self._window.get_by_role("option", name=name, exact=True).click()
        self._settle()

    def click_sample(self, number: int, wait: bool = True) -> None:
        self._mark()
        self._window.locator("#mmx-samples button").nth(number).click()
        if wait:
            self._renewed()

    def set_methods(self, *names: str) -> None:
        self.choose_none("methods")
        self.choose("Methods", *names)

    def choose_none(self, field: str) -> None:
        self._window.locator(f"#mmx-{field} .remove-all").click()

    def choose(self, label: str, *options: str) -> None:
        """More of what a field can hold several of."""
        for option in options:
            self._window.get_by_label(label).click()
            self._window.get_by_role("option", name=option, exact=True).click()
        self._window.keyboard.press("Escape")

    def form(self) -> dict[str, list[str]]:
        """What every field that can be seen holds, by its label."""
        return dict(self._window.eval_on_selector_all("#mmx-form .block:has([data-testid=block-info])", """all =>
            all.map(one => [one.querySelector("[data-testid=block-info]").innerText.trim(),
                [...[...one.querySelectorAll(".token")].map(chosen => chosen.innerText.trim()),
                    one.querySelector("input, textarea").value].filter(Boolean)])"""))

    def unfold(self, what: str) -> None:
        self._window.get_by_role("button", name=what).click()

    def pick(self, label: str, number: int) -> str:
        self._window.get_by_label(label).click()
        option = self._window.get_by_role("option").nth(number)
        told = str(option.inner_text())
        option.click()
        return told

    def reader(self) -> "Reader":
        return Reader(self._window)

    def press(self, key: str) -> None:
        self._window.keyboard.press(key)

    def field(self, label: str) -> str:
        return str(self._window.get_by_label(label, exact=True).input_value())

    def fill(self, label: str, text: str) -> None:
        self._window.get_by_label(label, exact=True).fill(text)

    def upload(self, path: Path) -> None:
        self._window.set_input_files("#mmx-picture input", str(path))
        self._settle()

    def explain(self) -> None:
        self._mark()
        self._window.click("#mmx-explain")
        self._renewed()

    def download(self, kind: str, folder: Path) -> Path:
        with self._window.expect_download() as waiting:
            self._window.get_by_role("link", name=kind, exact=True).click()
        path = folder / Path(waiting.value.suggested_filename).name
        waiting.value.save_as(path)
        return path

    def pictures(self) -> list[str]:
        return self._window.eval_on_selector_all("#mmx-shown img", "all => all.map(one => one.src)")

    def shown_text(self) -> str:
        return str(self._window.locator("#mmx-shown").inner_text())

    def note(self) -> str:
        return str(self._window.locator("#mmx-shown .mmx-note").inner_text())

    def error(self) -> str:
        return str(self._window.locator("#mmx-shown .mmx-error").inner_text())

    def refusal(self) -> str:
        return str(self._window.locator("#mmx-picture .mmx-error").inner_text())

    def wait_for_text(self, text: str) -> None:
        """Until it can be read where explanations are shown; elsewhere what is see-through would count as well."""
        self._window.locator("#mmx-shown").get_by_text(text).first.wait_for()

    def wait_for_figure(self) -> str:
        self._window.wait_for_selector("#mmx-shown figure")
        self._settle()
        return self.shown_text()

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self._window.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._window.wait_for_timeout(300)
        self._window.screenshot(path=str(path), full_page=True)

    def close(self) -> None:
        self._window.context.close()

    def _mark(self) -> None:
        """What is shown now is old."""
        self._window.evaluate(f"document.querySelectorAll('{_ANSWERS}').forEach(one => one.dataset.old = 1)")

    def _renewed(self) -> None:
        selector = f"{_ANSWERS}:not([data-old])"
        self._window.wait_for_function(f"document.querySelector('{selector}') && {_IDLE}")

    def _settle(self) -> None:
        """Until nothing is under way any more."""
        self._window.wait_for_timeout(250)
        self._window.wait_for_function(_IDLE)

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self._address, "data:", "blob:")):
            self.elsewhere.append(urlsplit(request.url).netloc or request.url[:80])


class Reader:
    """A written answer in a window."""

    def __init__(self, window: Any) -> None:
        self._window = window

    def words(self) -> list[str]:
        """Those that can be chosen."""
        return [text.strip() for text in self._window.locator(".mmx-words label").all_inner_texts()]

    def chosen(self) -> str:
        return str(self._window.locator(".mmx-words input:checked + span").inner_text()).strip()

    def choose(self, word: str) -> None:
        self._window.locator(".mmx-words").get_by_label(word, exact=True).last.check()

    def told(self) -> str:
        """What is said of the chosen word."""
        [told] = self._window.locator(".mmx-live .mmx-row:visible").all_inner_texts()
        return str(told)

    def films(self) -> int:
        """Maps that can be seen."""
        return int(self._window.locator(".mmx-ground:visible").count())

    def films_cover_their_pictures(self) -> bool:
        boxes = self._window.eval_on_selector_all(".mmx-ground", """all => all.filter(one => one.checkVisibility())
            .map(one => [one, one.firstElementChild].map(part => {
                const box = part.getBoundingClientRect();
                return [box.left, box.top, box.width, box.height];
            }))""")
        return bool(boxes) and all(ground == film and min(ground[2:]) > 100 for ground, film in boxes)

    def has_colour(self, word: str, button: bool = False) -> bool:
        """Whether a word stands on a colour."""
        where = ".mmx-words label > span" if button else ".mmx-tinted span"
        found = self._window.eval_on_selector_all(where, """(all, word) => all
            .filter(one => one.innerText.trim() === word).map(one => getComputedStyle(one).backgroundColor)""", word)
        return bool(found) and any(one != "rgba(0, 0, 0, 0)" for one in found)

    def focus_is_seen(self) -> bool:
        return bool(self._window.evaluate("""() => {
            const style = getComputedStyle(document.activeElement.nextElementSibling);
            return style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2;
        }"""))


def opened_page(browser: Any, address: str, width: int = 1100, height: int = 900, *,
                dark: bool = False) -> Page:
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    return Page(context.new_page(), address)
