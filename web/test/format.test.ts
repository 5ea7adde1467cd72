import assert from "node:assert/strict";
import { test } from "node:test";

import {
    ago,
    bitrate,
    bytes,
    clock,
    percent,
    rate,
    remaining,
    spokenDuration,
    titleOf,
} from "../src/lib/format";

test("bytes are shown with the fitting unit", () => {
    assert.equal(bytes(0), "0 B");
    assert.equal(bytes(999), "999 B");
    assert.equal(bytes(1000), "1.0 kB");
    assert.equal(bytes(15_400), "15 kB");
    assert.equal(bytes(999_999), "1.0 MB");
    assert.equal(bytes(2_500_000_000), "2.5 GB");
    assert.equal(bytes(Number.NaN), "–");
    assert.equal(rate(1_500_000), "1.5 MB/s");
});

test("positions are shown as a clock, with hours only when needed", () => {
    assert.equal(clock(0), "0:00");
    assert.equal(clock(7.9), "0:07");
    assert.equal(clock(754), "12:34");
    assert.equal(clock(3723), "1:02:03");
    assert.equal(clock(Number.NaN), "–:––");
    assert.equal(clock(null), "–:––");
});

test("durations are spoken in words", () => {
    assert.equal(spokenDuration(3723), "1 hour 2 minutes 3 seconds");
    assert.equal(spokenDuration(60), "1 minute");
    assert.equal(spokenDuration(0), "0 seconds");
});

test("what remains gets coarser the longer it is", () => {
    assert.equal(remaining(0.4), "1 s left");
    assert.equal(remaining(42.4), "42 s left");
    assert.equal(remaining(150), "3 min left");
    assert.equal(remaining(3600), "1 h left");
    assert.equal(remaining(7199), "2 h left");
    assert.equal(remaining(5400), "1 h 30 min left");
    assert.equal(remaining(null), "");
    assert.equal(remaining(Number.POSITIVE_INFINITY), "");
});

test("ages are told from now", () => {
    const now = Date.parse("2026-11-23T12:00:00Z");
    assert.equal(ago("2026-11-23T11:59:40Z", now), "just now");
    assert.equal(ago("2026-11-23T11:50:00Z", now), "10 min ago");
    assert.equal(ago("2026-11-23T09:00:00Z", now), "3 h ago");
    assert.equal(ago("2026-11-22T10:00:00Z", now), "yesterday");
    assert.equal(ago("2026-11-23T12:00:30Z", now), "just now");
    assert.equal(ago("nonsense", now), "");
});

test("percentages stay between 0 and 100", () => {
    assert.equal(percent(-3), 0);
    assert.equal(percent(140), 100);
    assert.equal(percent(Number.NaN), 0);
    assert.equal(bitrate(2_140_000), "2.1 Mbit/s");
    assert.equal(bitrate(730_000), "730 kbit/s");
});

test("a title is the file's name without extension, underscores and control characters", () => {
    assert.equal(titleOf("My holiday_2026.final.MOV"), "My holiday 2026.final");
    assert.equal(titleOf(".mp4"), ".mp4");
    assert.equal(titleOf("___.mp4"), "Untitled");
    assert.equal(titleOf("a\u0000\nb\u0085\ud800c.mkv"), "a b c");
    assert.equal(titleOf("<img src=x onerror=alert(1)>.mp4"), "<img src=x onerror=alert(1)>");
});

test("a long title is cut between characters, never inside one", () => {
    const title = titleOf(`${"🎬".repeat(300)}.mp4`);
    assert.equal(Array.from(title).length, 200);
    assert.ok(!/[\ud800-\udbff]$/.test(title));
});
