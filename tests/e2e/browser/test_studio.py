"""The Studio in a real browser: sign in by the printed link, upload, watch, switch, seek, delete."""

import re

import pytest

from harness.wait import wait_until
from media import generated
from media.clips import CLIPS, clip

pytestmark = pytest.mark.browser

# Draws the current picture to a canvas and counts distinct colours on a coarse grid.
COLOURS = """() => {
  const video = document.querySelector('[data-testid=watch-video]');
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 36;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 36);
  const pixels = context.getImageData(0, 0, 64, 36).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 4)
    seen.add((pixels[i] >> 4) * 256 + (pixels[i + 1] >> 4) * 16 + (pixels[i + 2] >> 4));
  return seen.size;
}"""


def test_id(page, name):
    return page.get_by_test_id(name)


test_id.__test__ = False


@pytest.fixture
def studio(page, vora):
    """The Studio, signed in by a one-time link as `vora studio` makes it."""
    link = vora.api.call("POST", "/session/links", 201).json()["url"]
    page.goto(vora.url + link)
    test_id(page, "upload-input").wait_for(state="attached")
    return page


def card(page, title):
    return test_id(page, "video-card").filter(has_text=title)


def of_video(page, expression):
    return page.evaluate(
        f"() => {{ const v = document.querySelector('[data-testid=watch-video]'); return {expression}; }}"
    )


def wait_ready(page, title, timeout_s=120):
    found = card(page, title).first
    wait_until(
        lambda: found.get_attribute("data-state") == "READY",
        timeout_s,
        lambda: f"{title} is ready in the list: {found.inner_text()}",
        0.2,
    )


def wait_playing(page, beyond=0.3):
    wait_until(lambda: of_video(page, "v && v.currentTime") > beyond, 30, "it plays", 0.1)


def start_playing(page):
    test_id(page, "watch-video").wait_for()
    # A play() before the engine has given the element its source is forgotten.
    wait_until(lambda: of_video(page, "v && v.readyState >= 2"), 30, "there is a picture", 0.1)
    of_video(page, "(v.muted = true, v.play().catch(() => {}), null)")


def open_watch(page, vora, video):
    page.goto(f"{vora.url}/watch/{video['id']}")
    start_playing(page)
    wait_playing(page)


@pytest.fixture(scope="module")
def bunny(vora):
    return vora.api.upload_and_wait(clip("bunny"), title="Bunny to watch")


def test_without_a_session_it_asks_to_sign_in(page, vora):
    page.goto(vora.url + "/")
    test_id(page, "sign-in").wait_for()
    test_id(page, "sign-in-token").fill("nonsense")
    page.keyboard.press("Enter")
    assert test_id(page, "sign-in").is_visible()
    test_id(page, "sign-in-token").fill(vora.token)
    page.keyboard.press("Enter")
    test_id(page, "upload-input").wait_for(state="attached")


def test_the_link_printed_at_the_start_signs_in_and_leaves_the_address_bar(
    page, own_vora, page_errors_of
):
    link = re.search(r"http://\S+/\?token=\S+", own_vora.log_path("out").read_text())[0]
    other = page_errors_of(own_vora)
    other.goto(link)
    test_id(other, "upload-input").wait_for(state="attached")
    assert "token" not in other.url
    cookies = [c for c in other.context.cookies() if c["name"] == "vora_session"]
    assert cookies and cookies[0]["httpOnly"] and cookies[0]["sameSite"] == "Strict"


@pytest.fixture
def page_errors_of(chromium):
    """Pages for servers other than the shared one."""
    contexts = []

    def make(_server):
        contexts.append(chromium.new_context())
        made = contexts[-1].new_page()
        made.set_default_timeout(20_000)
        return made

    yield make
    for context in contexts:
        context.close()


def test_a_clip_dropped_in_becomes_ready_by_itself_and_plays(studio, vora, tmp_path):
    path = tmp_path / "Holiday in Porto.mp4"
    path.write_bytes(clip("bunny").read_bytes())
    test_id(studio, "upload-input").set_input_files(str(path))
    card(studio, "Holiday in Porto").first.wait_for()
    wait_ready(studio, "Holiday in Porto")
    card(studio, "Holiday in Porto").get_by_test_id("watch-link").first.click()
    start_playing(studio)
    assert "/watch/" in studio.url
    wait_playing(studio, 0.5)
    assert studio.evaluate(COLOURS) > 8, "the picture is blank"
    assert of_video(studio, "[v.videoWidth > 0, v.videoHeight > 0]") == [True, True]
    titles = [v["title"] for v in vora.api.all_videos()]
    assert titles.count("Holiday in Porto.mp4") + titles.count("Holiday in Porto") == 1


def test_renditions_can_be_switched_while_it_plays(studio, vora, bunny):
    open_watch(studio, vora, bunny)
    menu = test_id(studio, "quality-menu")
    menu.wait_for()
    texts = menu.locator("option").all_inner_texts()
    assert [t.split(" ")[0] for t in texts] == ["Auto", "720p", "360p"]
    of_video(studio, "(v.loop = true, null)")
    for name, height in (("360p", 360), ("720p", 720), ("360p", 360)):
        menu.select_option(value=name)
        wait_until(
            lambda: of_video(studio, "v.videoHeight") == height,
            30,
            f"the picture is that of {name}",
            0.1,
        )
        assert studio.evaluate("voraPlayer.currentLevel()") == name
        assert studio.evaluate(COLOURS) > 8


def test_the_automation_hook_names_the_levels_and_sets_them(studio, vora, bunny):
    open_watch(studio, vora, bunny)
    assert studio.evaluate("voraPlayer.levels()") == ["720p", "360p"]
    studio.evaluate("voraPlayer.setLevel('360p')")
    of_video(studio, "(v.loop = true, v.play(), null)")
    wait_until(lambda: of_video(studio, "v.videoHeight") == 360, 30, "360p is shown", 0.1)
    # Nothing else of the application is global.
    own = studio.evaluate("Object.keys(window).filter(k => /^(vora|hls|tus|preact)/i.test(k))")
    assert own == ["voraPlayer"]


def test_seeking_goes_there_and_plays_on_to_the_end(studio, vora, bunny):
    open_watch(studio, vora, bunny)
    length = CLIPS["bunny"].duration_s
    assert abs(of_video(studio, "v.duration") - length) < 0.2
    of_video(studio, "(v.currentTime = 4.2, null)")
    wait_until(
        lambda: of_video(studio, "v.currentTime") > 4.3 and not of_video(studio, "v.seeking"),
        20,
        "it plays on",
        0.1,
    )
    assert studio.evaluate(COLOURS) > 8
    of_video(studio, "(v.currentTime = 0.5, null)")
    wait_until(lambda: 0.6 < of_video(studio, "v.currentTime") < 3, 20, "it plays from there", 0.05)
    of_video(studio, "(v.play(), null)")
    wait_until(lambda: of_video(studio, "v.ended"), 30, "it reaches the end", 0.1)
    assert abs(of_video(studio, "v.currentTime") - length) < 0.3


@pytest.mark.parametrize(
    "title",
    [
        "<img src=x onerror=alert(1)>",
        '<b>bold</b> & "quotes"',
        "</title><script>document.title='x'</script>",
    ],
)
def test_a_title_with_html_in_it_stays_text(studio, vora, title):
    dialogs = []
    studio.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    video = vora.api.create(title, description=title)
    shown = test_id(studio, "video-title").filter(has_text=title).first
    shown.wait_for()
    assert shown.inner_text().strip() == title
    studio.goto(f"{vora.url}/watch/{video['id']}")
    shown = test_id(studio, "watch-title")
    shown.wait_for()
    assert shown.text_content().strip() == title
    assert not dialogs and studio.locator("img[src=x]").count() == 0
    assert studio.title() != "x"
    vora.api.delete(video["id"])


def test_the_list_follows_what_others_do(studio, vora):
    video = vora.api.create("Made elsewhere")
    card(studio, "Made elsewhere").wait_for()
    vora.api.call("PATCH", f"/v1/videos/{video['id']}", 200, json={"title": "Renamed elsewhere"})
    card(studio, "Renamed elsewhere").wait_for(timeout=30_000)
    vora.api.delete(video["id"])
    card(studio, "Renamed elsewhere").wait_for(state="detached", timeout=30_000)


def test_a_failure_is_said_in_words(studio, tmp_path):
    path = tmp_path / "A letter.mp4"
    path.write_text("not a film\n" * 200)
    test_id(studio, "upload-input").set_input_files(str(path))
    found = card(studio, "A letter").first
    found.wait_for()
    error = found.get_by_test_id("video-error")
    error.wait_for(timeout=60_000)
    assert error.get_attribute("data-code") == "input_not_video"
    assert len(error.inner_text().split()) >= 4 and "_" not in error.inner_text()


def test_it_can_be_used_by_keyboard_alone(studio, vora, bunny):
    """Tab reaches a video, Enter opens it; there Tab reaches the quality menu and the arrows change it."""
    link = card(studio, "Bunny to watch").get_by_test_id("watch-link").first
    link.wait_for()
    studio.locator("body").press("Home")
    tab_to(
        studio,
        lambda: link.evaluate(
            "e => e === document.activeElement || e.contains(document.activeElement)"
        ),
    )
    outline = studio.evaluate(
        "(() => { const s = getComputedStyle(document.activeElement);"
        " return [s.outlineStyle, s.outlineWidth, s.boxShadow]; })()"
    )
    assert outline[0] != "none" or outline[2] != "none", "the focus can be seen"
    studio.keyboard.press("Enter")
    test_id(studio, "watch-video").wait_for()
    menu = test_id(studio, "quality-menu")
    menu.wait_for()
    tab_to(
        studio,
        lambda: menu.evaluate(
            "e => e === document.activeElement || e.contains(document.activeElement)"
        ),
    )
    before = studio.evaluate("document.querySelector('[data-testid=quality-menu]').value")
    studio.keyboard.press("ArrowDown")
    assert studio.evaluate("document.querySelector('[data-testid=quality-menu]').value") != before


def tab_to(page, reached, at_most=80):
    for _ in range(at_most):
        if reached():
            return
        page.keyboard.press("Tab")
    raise AssertionError("Tab never gets there")


def test_a_video_is_deleted_only_after_a_question(studio, vora):
    video = vora.api.upload_and_wait(clip("tiny"), title="To be deleted")
    studio.goto(f"{vora.url}/watch/{video['id']}")
    button = test_id(studio, "delete-video").first
    button.wait_for()
    button.click()
    test_id(studio, "confirm-dialog").wait_for()
    studio.keyboard.press("Escape")
    test_id(studio, "confirm-dialog").wait_for(state="detached")
    assert vora.api.get(video["id"])["state"] == "READY"
    button.click()
    test_id(studio, "confirm-yes").click()
    wait_until(
        lambda: vora.api.call("GET", f"/v1/videos/{video['id']}").status_code == 404,
        20,
        "it is deleted",
    )
    assert card(studio, "To be deleted").count() == 0


def test_title_and_visibility_are_changed_on_the_watch_page(studio, vora):
    video = vora.api.upload_and_wait(clip("tiny"), title="To be changed")
    studio.goto(f"{vora.url}/watch/{video['id']}")
    test_id(studio, "edit-video").click()
    test_id(studio, "edit-title").fill("Was changed")
    test_id(studio, "edit-description").fill("Two\nlines")
    test_id(studio, "edit-save").click()
    test_id(studio, "watch-title").filter(has_text="Was changed").wait_for()
    test_id(studio, "visibility-toggle").click()
    wait_until(
        lambda: vora.api.get(video["id"])["visibility"] == "public", 10, "the video is public"
    )
    changed = vora.api.get(video["id"])
    assert (changed["title"], changed["description"]) == ("Was changed", "Two\nlines")
    vora.api.delete(video["id"])


def throttle(page, bytes_per_s):
    """Makes this page's uploads slow enough to be interrupted; -1 = as fast as they go."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session.send(
        "Network.emulateNetworkConditions", {**conditions, "uploadThroughput": bytes_per_s}
    )


def begin_slow_upload(page, vora, path):
    """Starts an upload and waits until the server has some of it; returns the video."""
    throttle(page, 6 << 20)
    test_id(page, "upload-input").set_input_files(str(path))

    def begun():
        return [v for v in vora.api.all_videos(state="CREATED") if v["title"] == path.stem]

    video = wait_until(begun, 20, "the video is created")[0]
    item = test_id(page, "upload-item").filter(has_text=path.stem).first
    wait_until(lambda: item.get_attribute("data-status") == "uploading", 20, "it uploads")
    bar = item.get_by_role("progressbar")
    wait_until(lambda: float(bar.get_attribute("aria-valuenow") or 0) >= 10, 30, "a tenth is sent")
    return video


def test_an_upload_can_be_paused_and_resumed(studio, vora, tmp_path):
    path = generated.padded(tmp_path / "Paused once.mp4", "tiny", 40 << 20)
    video = begin_slow_upload(studio, vora, path)
    test_id(studio, "upload-pause").first.click()
    test_id(studio, "upload-resume").first.wait_for()
    assert vora.api.get(video["id"])["state"] == "CREATED"
    throttle(studio, -1)
    test_id(studio, "upload-resume").first.click()
    assert vora.api.wait_state(video["id"], "READY")
    wait_ready(studio, "Paused once")


def test_an_upload_goes_on_with_the_same_video_after_a_reload(studio, vora, tmp_path):
    path = generated.padded(tmp_path / "Reloaded.mp4", "tiny", 40 << 20)
    video = begin_slow_upload(studio, vora, path)
    studio.on("dialog", lambda d: d.accept())
    studio.reload()
    card(studio, "Reloaded").first.wait_for()
    throttle(studio, -1)
    test_id(studio, "upload-input").set_input_files(str(path))
    assert vora.api.wait_state(video["id"], "READY")
    wait_ready(studio, "Reloaded")
    assert [v["title"] for v in vora.api.all_videos()].count("Reloaded") == 1


def test_a_public_video_is_watched_without_a_session(page, vora):
    video = vora.api.upload_and_wait(clip("bikes"), title="For everyone", visibility="public")
    open_watch(page, vora, video)
    assert page.evaluate(COLOURS) > 8


def test_a_private_video_is_not_watched_without_a_session(page, vora, bunny):
    page.goto(f"{vora.url}/watch/{bunny['id']}")
    page.wait_for_load_state("networkidle")
    assert test_id(page, "watch-video").count() == 0 or of_video(page, "v.readyState") == 0
    assert "Bunny to watch" not in page.locator("body").inner_text()


def test_pages_come_with_a_strict_policy(vora):
    answer = vora.api.http.get(vora.url + "/", timeout=5)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "<script>" not in answer.text and " style=" not in answer.text


def test_a_page_of_another_site_cannot_use_the_session(vora):
    """The cookie alone changes nothing when the request comes from elsewhere."""
    link = vora.api.call("POST", "/session/links", 201).json()["url"]
    signed_in = vora.api.http.get(vora.url + link, allow_redirects=False, timeout=5)
    cookie = signed_in.headers["Set-Cookie"].split(";")[0]
    here = {"Cookie": cookie, "Content-Type": "application/json", "Origin": vora.url}
    client = vora.api.as_token(None)
    assert client.call("GET", "/v1/videos", headers={"Cookie": cookie}).status_code == 200
    made = client.call(
        "POST", "/v1/videos", 201, json={"title": "same origin"}, headers=here
    ).json()
    for foreign in (
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": vora.url + ".elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {},
    ):
        headers = {"Cookie": cookie, **foreign}
        for method, path, body in (
            ("POST", "/v1/videos", {"title": "forged"}),
            ("DELETE", f"/v1/videos/{made['id']}", None),
        ):
            answer = client.call(method, path, json=body, headers=headers)
            assert answer.status_code in (401, 403), (foreign, method, answer.status_code)
    vora.api.delete(made["id"])
