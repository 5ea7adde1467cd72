"""What a player reports of itself: a browser plays, and the figures are exactly its own; the Studio shows them live."""

import http.server
import json
import threading

import pytest

from harness.wait import wait_until
from media.clips import clip

pytestmark = pytest.mark.browser

# Measures what the player must report, by other means: the position at which the page was left, the
# time from play() to "playing", the stalls announced.
MEASURE = """(() => {
  const seen = {startup: null, waits: 0};
  const of = () => document.querySelector('[data-testid=watch-video]');
  let asked = null;
  document.addEventListener('play', () => { asked ??= performance.now(); }, true);
  document.addEventListener('playing', () => { seen.startup ??= performance.now() - asked; }, true);
  document.addEventListener('waiting', () => { if (seen.startup !== null) seen.waits += 1; }, true);
  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (...what) => {
    const taken = beacon(...what);
    if (taken) localStorage.setItem('beacons', Number(localStorage.getItem('beacons')) + 1);
    return taken;
  };
  addEventListener('pagehide', () => {
    if (!of()) return;
    seen.position = of().currentTime;
    seen.ended = of().ended;
    localStorage.setItem('seen', JSON.stringify(seen));
  });
})()"""
VIDEO = "document.querySelector('[data-testid=watch-video]')"


def play(frame):
    """Starts the video of a page or frame, and waits until its picture has moved."""
    # Not wait_for_function: the page's policy forbids the eval it needs.
    wait_until(
        lambda: frame.evaluate(f"{VIDEO} ? {VIDEO}.readyState : 0") >= 2, 30, "there is a picture"
    )
    frame.evaluate(f"({VIDEO}.muted = true, {VIDEO}.play().catch(() => {{}}), null)")
    wait_until(lambda: frame.evaluate(f"{VIDEO}.currentTime") > 1, 30, "it plays")


def figures(vora, video):
    return vora.api.call("GET", f"/v1/analytics/videos/{video['id']}", 200).json()


def shown(page, name):
    return page.get_by_test_id(f"figure-{name}").get_attribute("data-value")


@pytest.fixture(scope="module")
def video(vora_events):
    return vora_events.api.upload_and_wait(clip("bikes"), title="Measured", visibility="public")


@pytest.fixture
def viewer(clean_page, vora_events):
    with clean_page(vora_events.url) as page:
        yield page


@pytest.fixture
def studio(clean_page, vora_events):
    with clean_page(vora_events.url) as page:
        link = vora_events.api.call("POST", "/session/links", 201).json()["url"]
        page.goto(vora_events.url + link)
        page.get_by_test_id("upload-input").wait_for(state="attached")
        yield page


def test_a_browser_finds_exactly_its_own_numbers_and_the_studio_shows_them_live(
    viewer, studio, vora_events, video
):
    viewer.add_init_script(MEASURE)
    # A page that shows the poster reports nothing, and the Studio says so.
    viewer.goto(f"{vora_events.url}/watch/{video['id']}")
    studio.goto(f"{vora_events.url}/watch/{video['id']}")
    studio.get_by_test_id("video-analytics").click()
    studio.get_by_test_id("figure-plays").wait_for()
    assert shown(studio, "plays") == "0"
    assert studio.get_by_test_id("analytics-title").inner_text() == "Measured"

    play(viewer)
    wait_until(lambda: shown(studio, "plays") == "1", 20, "the Studio shows the play", 0.1)
    # The page goes while it plays: what was played last arrives all the same.
    viewer.goto(f"{vora_events.url}/livez")
    seen = json.loads(viewer.evaluate("localStorage.getItem('seen')"))
    wait_until(
        lambda: figures(vora_events, video)["watch_time_s"] > seen["position"] - 0.4,
        20,
        lambda: f"all that was played is counted: {seen}, {figures(vora_events, video)}",
        0.1,
    )
    found = figures(vora_events, video)
    assert (found["plays"], found["viewers"], found["errors"]) == (1, 1, 0)
    assert abs(found["watch_time_s"] - seen["position"]) < 0.4, (found["watch_time_s"], seen)
    assert found["startup_ms"]["p50"] == found["startup_ms"]["p95"] > 0
    assert abs(found["startup_ms"]["p50"] - seen["startup"]) < 100, (found["startup_ms"], seen)
    assert found["rebuffer_count"] <= seen["waits"]
    assert found["average_bitrate"] > 100_000
    # At the end of the video nothing is left for the beacon (a machine that was busy for seconds).
    if not seen["ended"]:
        assert viewer.evaluate("Number(localStorage.getItem('beacons'))") >= 1, "by sendBeacon"
    assert sum(p["plays"] for p in found["series"]) == 1

    wait_until(
        lambda: abs(float(shown(studio, "watch-time")) - found["watch_time_s"]) < 0.001,
        20,
        "the Studio shows what was watched",
        0.1,
    )
    drawn = studio.locator("[data-testid=chart-plays] canvas")
    drawn.wait_for()
    assert drawn.evaluate(INKED), "the chart is empty"
    described = (
        studio.get_by_test_id("chart-startup").get_by_role("img").get_attribute("aria-label")
    )
    assert described.startswith("Startup time over time: at most"), described


# Whether anything in the accent's strength was drawn: axes and grid are grey.
INKED = """canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 0; i < pixels.length; i += 4) {
    const [r, g, b, a] = pixels.slice(i, i + 4);
    if (a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 80) return true;
  }
  return false;
}"""


def test_the_overall_page_is_used_by_keyboard_and_read_as_a_table(studio, vora_events):
    studio.get_by_test_id("analytics-link").click()
    studio.get_by_test_id("figure-plays").wait_for()
    assert studio.get_by_test_id("analytics-title").inner_text() == "All videos"
    studio.get_by_test_id("range-day").focus()
    studio.keyboard.press("ArrowRight")
    assert studio.get_by_test_id("range-week").is_checked()
    studio.get_by_test_id("figure-plays").wait_for()
    studio.get_by_text("As a table").focus()
    studio.keyboard.press("Enter")
    heads = studio.get_by_test_id("analytics-table").get_by_role("columnheader").all_inner_texts()
    assert heads[:3] == ["From", "Plays", "Watch time"]


class Foreign(http.server.BaseHTTPRequestHandler):
    page = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_):
        pass


@pytest.fixture
def foreign_site():
    """Another site (by name, not only by port) whose one page frames what the test says."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def framing(url):
        Foreign.page = (
            "<!doctype html><title>Elsewhere</title><link rel=icon href=data:,>"
            f'<iframe src="{url}" width=640 height=360 allow="autoplay; fullscreen"></iframe>'
        ).encode()
        return f"http://localhost:{server.server_port}"

    yield framing
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_private_video_plays_in_a_frame_on_another_site_and_is_counted(
    clean_page, vora_events, video, foreign_site
):
    before = figures(vora_events, video)["plays"]
    vora_events.api.call("PATCH", f"/v1/videos/{video['id']}", 200, json={"visibility": "private"})
    embed_url = vora_events.api.playback(video["id"])["embed_url"]
    assert embed_url.startswith(f"{vora_events.url}/embed/{video['id']}#grant=")
    site = foreign_site(embed_url)
    with clean_page(vora_events.url, site) as page:
        page.goto(site)
        frame = page.wait_for_selector("iframe").content_frame()
        play(frame)
        assert frame.get_by_test_id("play-toggle").is_visible()
        assert [c["name"] for c in page.context.cookies()] == []
    wait_until(
        lambda: figures(vora_events, video)["plays"] == before + 1, 20, "the play is counted", 0.1
    )


def test_without_a_grant_a_private_video_is_not_there(page, vora):
    video = vora.api.create("not for everyone")
    page.goto(f"{vora.url}/embed/{video['id']}")
    message = page.get_by_test_id("embed-message")
    message.wait_for()
    assert message.get_attribute("data-state") == "missing"
    assert "not for everyone" not in page.content()
    vora.api.delete(video["id"])


def test_only_the_embed_page_may_be_framed(vora):
    get = vora.api.http.get
    framed = get(f"{vora.url}/embed/00000000-0000-4000-8000-000000000000", timeout=5)
    assert "frame-ancestors *" in framed.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in framed.headers
    assert "unsafe" not in framed.headers["Content-Security-Policy"]
    for path in ("/", "/analytics", "/watch/00000000-0000-4000-8000-000000000000"):
        other = get(vora.url + path, timeout=5)
        assert "frame-ancestors 'none'" in other.headers["Content-Security-Policy"], path
        assert other.headers["X-Frame-Options"] == "DENY", path
