import assert from "node:assert/strict";
import { test } from "node:test";

import { levelName, parseMaster, sortLevels } from "../src/player/levels";
import { actionOf } from "../src/player/shortcuts";

const MASTER = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=2200000,AVERAGE-BANDWIDTH=2000000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720
720p/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360

# a comment
360p/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080
1080p/playlist.m3u8
`;

test("a level is named by its playlist's directory, else by the short side", () => {
    assert.equal(levelName("https://h/play/public/x/720p/playlist.m3u8?a=1", 0, 0), "720p");
    assert.equal(levelName("720p/playlist.m3u8", 1, 1), "720p");
    assert.equal(levelName("high.m3u8", 1080, 1920), "1080p");
    assert.equal(levelName("high.m3u8", 0, 480), "480p");
    assert.equal(levelName("high.m3u8", 0, 0), "source");
});

test("levels stand highest first, each name once with its best variant", () => {
    const level = (name: string, bandwidth: number) => ({
        name,
        bandwidth,
        url: `${name}${bandwidth}`,
    });
    const sorted = sortLevels([
        level("360p", 1),
        level("1080p", 5),
        level("720p", 2),
        level("720p", 3),
    ]);
    assert.deepEqual(
        sorted.map((l) => l.url),
        ["1080p5", "720p3", "360p1"],
    );
});

test("a master playlist is read with absolute addresses", () => {
    const levels = parseMaster(MASTER, "https://h/play/public/x/master.m3u8");
    assert.deepEqual(
        levels.map((l) => l.name),
        ["1080p", "720p", "360p"],
    );
    assert.equal(levels[1]?.url, "https://h/play/public/x/720p/playlist.m3u8");
    assert.equal(levels[1]?.bandwidth, 2_200_000);
});

test("what is no master playlist has no levels", () => {
    assert.deepEqual(parseMaster("<html>", "https://h/"), []);
    assert.deepEqual(parseMaster("", "https://h/"), []);
    assert.deepEqual(parseMaster("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1", "https://h/"), []);
    assert.deepEqual(
        parseMaster("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://[", "https://h/"),
        [],
    );
});

test("keys do what people expect of a player", () => {
    const press = (key: string, target: Parameters<typeof actionOf>[0]["target"] = "other") =>
        actionOf({ key, modified: false, target });
    assert.deepEqual(press(" "), { kind: "toggle" });
    assert.deepEqual(press("K"), { kind: "toggle" });
    assert.deepEqual(press("ArrowRight"), { kind: "seek_by", seconds: 5 });
    assert.deepEqual(press("5"), { kind: "seek_to", fraction: 0.5 });
    assert.equal(press("x"), null);
});

test("keys are left to the field, button, slider or menu that has the focus", () => {
    const press = (
        key: string,
        target: Parameters<typeof actionOf>[0]["target"],
        modified = false,
    ) => actionOf({ key, modified, target });
    assert.equal(press(" ", "button"), null);
    assert.equal(press("k", "text"), null);
    assert.equal(press("ArrowLeft", "slider"), null);
    assert.equal(press("m", "menu"), null);
    assert.equal(press("f", "other", true), null);
    assert.deepEqual(press("m", "button"), { kind: "mute" });
});
