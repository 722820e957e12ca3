"""Logging in, sharing and auditing, by keyboard and by what a screen reader would say."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.archive.samples import dicom, uid
from tests.browser.conftest import ROOT, STATIC, WAIT_MS, _wait_until_up
from tests.server.people import PASSWORD, account

from pellucid.access.doorkeeper import Doorkeeper
from pellucid.archive import Archive


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server with two studies, a physician and an auditor."""
    if not STATIC.is_file():
        pytest.skip("the viewer is not built (make install builds it)")
    folder = tmp_path_factory.mktemp("guarded")
    with Archive(folder / "data") as archive:
        archive.store(dicom(PatientName="Doe^Jane"))
        archive.store(dicom(study=2, PatientName="Roe^Richard", PatientID="P2"))
        keeper = Doorkeeper(archive)
        keeper.accounts.add(account("ann", "physician", "auditor"), PASSWORD)
        keeper.accounts.add(account("rita", "reader", projects=["none"]), PASSWORD)
        keeper.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pellucid.server", "--data", str(folder / "data"), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}", process, Path(log.name))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


@pytest.fixture
def page(guarded, chromium):
    """A page of a new browser, with what went wrong in it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=guarded)
    context.set_default_timeout(WAIT_MS)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    assert problems == []


def log_in(page, name="ann", password=PASSWORD):
    """By keyboard alone: the name has the focus, Tab leads on, Enter sends."""
    page.wait_for_selector("input[name=name]:focus")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def test_the_login_stands_in_the_place_of_the_page_that_was_asked_for(page) -> None:
    page.goto("/audit")
    log_in(page, password="wrong password!")
    page.get_by_role("alert").filter(has_text="the name or the password is wrong").wait_for()
    assert page.evaluate("document.activeElement.name") == "password"
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Audit trail").wait_for()
    page.get_by_role("cell", name="User Authentication failed").first.wait_for()


def test_logging_out(page) -> None:
    page.goto("/")
    log_in(page)
    page.get_by_role("link", name="Doe, Jane").or_(page.locator("a.study-link").first).first.wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    page.reload()
    page.get_by_role("heading", name="Log in").wait_for()


def test_a_reader_of_other_projects_sees_no_study_and_no_share_button(page) -> None:
    page.goto("/")
    log_in(page, "rita")
    page.get_by_text("The archive is empty").wait_for()
    assert page.get_by_role("button", name="Share").count() == 0
    assert page.get_by_role("link", name="Audit trail").count() == 0


def test_a_study_is_shared_with_somebody_who_has_no_account(page, guarded, chromium) -> None:
    page.goto("/")
    log_in(page)
    button = page.get_by_role("button", name="Share ").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.textContent") == "Share", "the focus comes back"
    page.keyboard.press("Enter")
    dialog.get_by_label("Passphrase").fill("over the hill")
    dialog.get_by_role("button", name="Make a link").click()
    url = dialog.get_by_label("The link").input_value()
    assert url.startswith(f"{guarded}/shared#")
    guest = chromium.new_context()
    other = guest.new_page()
    other.set_default_timeout(WAIT_MS)
    other.goto(url)
    other.get_by_role("button", name="Open").click()
    other.get_by_role("alert").filter(has_text="the link is not valid").wait_for()
    other.get_by_label("Passphrase").fill("over the hill")
    other.keyboard.press("Enter")
    other.wait_for_url("**/study/*")
    shared = other.url.rpartition("/")[2]
    assert shared in (uid(1), uid(2))
    other.goto(f"{guarded}/")
    other.locator("a.study-link").first.wait_for()
    assert other.locator("a.study-link").count() == 1
    assert other.get_by_text("Shared with a link").is_visible()
    page.goto("/account")
    page.get_by_role("button", name="Revoke the link").click()
    page.get_by_text("revoked;").wait_for()
    other.wait_for_timeout(2500)
    other.reload()
    other.get_by_role("heading", name="Log in").wait_for()
    guest.close()


def test_tokens_and_password(page, guarded) -> None:
    page.goto("/account")
    log_in(page)
    page.get_by_label("What it is for").fill("a script")
    page.get_by_role("button", name="Make a token").click()
    token = page.get_by_label("The new token").input_value()
    bearer = {"Authorization": f"Bearer {token}"}
    answer = page.context.request.get(f"{guarded}/api/jobs", headers=bearer)
    assert answer.status == 200
    page.get_by_role("button", name="Remove a script").click()
    page.get_by_role("button", name="Remove a script").wait_for(state="detached")
    assert page.context.request.get(f"{guarded}/api/jobs", headers=bearer).status == 401
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Change the password").click()
    page.get_by_role("alert").filter(has_text="has 5 characters").wait_for()


@pytest.mark.parametrize("path", ["/", "/account", "/audit", "/shared", "/login"])
def test_everything_that_is_worked_with_has_a_name(page, path) -> None:
    """WCAG 2.2: 1.3.1, 2.4.2, 3.1.1, 3.3.2, 4.1.2; contrast (1.4.3) of the texts of these pages."""
    page.goto(path)
    if path not in ("/shared", "/login"):
        log_in(page)
        page.get_by_role("link", name="ann").or_(page.get_by_role("link", name="Studies")).first.wait_for()
    page.wait_for_selector("h1")
    assert page.title()
    assert page.evaluate("document.documentElement.lang") == "en"
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, select, button, a[href], textarea')].filter((e) =>
            e.offsetParent && e.type !== 'file' && !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.title)
        ).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert page.evaluate(_FAINT) == []


_FAINT = """() => {
    const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map((v) => {
        v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!/rgba\\(.*, 0\\)|transparent/.test(c)) return c; } return 'rgb(0, 0, 0)'; };
    const texts = [...document.querySelectorAll('.card *, .account-menu *, .audit-table *')].filter((e) =>
        e.offsetParent && !e.disabled && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
    return texts.filter((e) => { const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; }).map((e) => e.outerHTML);
}"""
