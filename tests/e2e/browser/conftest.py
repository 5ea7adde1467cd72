"""A headless Chromium of Debian's, driven by Playwright; a fresh profile for every test."""

import contextlib
import functools
import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "no chromium: install Debian's package"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(chromium, *origins):
    """A page of its own profile; anything it asks of another origin, and any error, fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    trouble = []
    page.on("pageerror", lambda e: trouble.append(f"error: {e}"))
    page.on(
        "console",
        lambda m: trouble.append(f"console: {m.text}") if is_trouble(m) else None,
    )
    page.on(
        "request",
        lambda r: (
            None
            if r.url.startswith((*origins, "blob:", "data:"))
            else trouble.append(f"asked of another origin: {r.url}")
        ),
    )
    yield page
    context.close()
    assert not trouble, trouble


@pytest.fixture
def clean_page(chromium):
    """with clean_page(origin, ...) as page: for servers other than the shared one."""
    return functools.partial(opened, chromium)


@pytest.fixture
def page(clean_page, vora):
    with clean_page(vora.url) as made:
        yield made


def is_trouble(message):
    if message.type != "error":
        return False
    # Chromium reports every 4xx answer here; those that the Studio expects are its own affair.
    return "Failed to load resource" not in message.text
