"""The administration page: what it shows is true, what it changes is changed; by keyboard, with names for all."""

from __future__ import annotations

import httpx
import pytest

UNNAMED = """() => [...document.querySelectorAll('main button, main input, main select, main a')]
    .filter(one => !one.matches('.visually-hidden'))
    .filter(one => !(one.getAttribute('aria-label') || one.innerText || one.labels?.length))
    .map(one => one.outerHTML)"""


@pytest.fixture
def admin(viewer):
    viewer.open("/admin")
    viewer.page.wait_for_selector("[data-number=Studies]")
    return viewer


def section(viewer, title: str):
    return viewer.page.get_by_role("region", name=title, exact=True).first


def test_storage_and_health(admin) -> None:
    found = httpx.get(f"{admin.address}/api/admin/overview", timeout=60).json()
    assert admin.page.inner_text("[data-number=Studies] dd") == f"{found['storage']['studies']:,}"
    assert admin.page.inner_text("[data-number=Version] dd") == found["version"]
    assert admin.page.locator(".admin-checks li[data-ok=true]").count() == 4


def test_an_application_entity_by_keyboard(admin) -> None:
    page = admin.page
    form = section(admin, "Application entities").locator("details")
    form.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("SCANNER1")
    page.keyboard.press("Tab")
    page.keyboard.type("127.0.0.1")
    page.keyboard.press("Tab")
    page.keyboard.type("11112")
    form.get_by_label("May call from").fill("10.1.0.0/16")
    form.get_by_label("store", exact=True).check()
    page.keyboard.press("Enter")
    page.wait_for_selector("tr[data-row=SCANNER1]")
    assert page.get_by_role("status").first.inner_text() == "SCANNER1 is saved."
    (entity,) = httpx.get(f"{admin.address}/api/admin/entities", timeout=60).json()["entities"]
    assert (entity["host"], entity["port"], entity["permissions"]) == ("127.0.0.1", 11112, ["store"])
    page.get_by_role("button", name="Remove SCANNER1").click()
    page.wait_for_selector("tr[data-row=SCANNER1]", state="detached")


def test_a_rule_is_refused_saved_and_switched_off(admin) -> None:
    page = admin.page
    rules = section(admin, "Routing rules")
    rules.locator("summary").click()
    rules.get_by_label("Name").fill("ct")
    rules.get_by_label("Where").fill("Modality=CT")
    rules.get_by_label("To").fill("nowhere")
    rules.get_by_role("button", name="Save").click()
    assert "expected ae:TITLE" in rules.get_by_role("alert").inner_text()
    rules.get_by_label("To").fill("ae:OTHER")
    rules.get_by_role("button", name="Save").click()
    page.wait_for_selector("tr[data-row=ct]")
    page.get_by_role("button", name="Switch ct off").click()
    page.get_by_role("button", name="Switch ct on").wait_for()
    (rule,) = httpx.get(f"{admin.address}/api/admin/routes", timeout=60).json()["routes"]
    assert rule == {"name": "ct", "destination": "ae:OTHER", "match": {"Modality": "CT"}, "enabled": False}
    page.get_by_role("button", name="Remove ct").click()
    page.wait_for_selector("tr[data-row=ct]", state="detached")


DELIVERY = {
    "id": 7,
    "kind": "store",
    "destination": "ae:OTHER",
    "subject": "1.2.3",
    "state": "failed",
    "attempts": 40,
    "error": "OTHER does not answer",
    "created": "2026-03-01T10:00:00+00:00",
    "next_attempt": "2026-03-01T11:00:00+00:00",
}


def test_the_queue_is_tried_again_and_given_up(viewer) -> None:
    asked: list[str] = []

    def answer(route) -> None:
        asked.append(f"{route.request.method} {route.request.url.rpartition('/api/admin/')[2]}")
        if route.request.method == "GET":
            route.fulfill(json={"deliveries": [DELIVERY], "total": 1})
        elif route.request.method == "POST":
            route.fulfill(json={"changed": 1})
        else:
            route.fulfill(status=204)

    viewer.page.route("**/api/admin/deliveries**", answer)
    viewer.page.route("**/api/admin/deliveries/**", answer)
    viewer.open("/admin")
    row = viewer.page.locator("tr[data-row='7']")
    row.wait_for()
    assert "OTHER does not answer" in row.inner_text()
    viewer.page.get_by_role("button", name="Try delivery 7 again").click()
    viewer.page.get_by_text("It is tried again.").wait_for()
    viewer.page.get_by_role("button", name="Give up delivery 7").click()
    viewer.page.get_by_text("It is given up.").wait_for()
    assert [one for one in asked if not one.startswith("GET")] == ["POST deliveries/7/retry", "DELETE deliveries/7"]


def test_everything_has_a_name_and_tables_have_heads(admin) -> None:
    for summary in admin.page.locator("summary").all():
        summary.click()
    assert admin.page.evaluate(UNNAMED) == []
    sections = admin.page.locator("main > section")
    assert sections.count() == 6
    for number in range(sections.count()):
        assert admin.page.locator(f"#{sections.nth(number).get_attribute('aria-labelledby')}").inner_text()


def test_who_is_no_administrator_is_told(viewer) -> None:
    viewer.page.route(
        "**/api/admin/**", lambda route: route.fulfill(status=403, json={"detail": "reader may not administer"})
    )
    viewer.open("/admin")
    viewer.page.get_by_text("This is for administrators.").first.wait_for()
