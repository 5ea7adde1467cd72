import assert from "node:assert/strict";
import { test } from "node:test";

import { pollDelayMs } from "../src/lib/poll";
import { RateMeter } from "../src/lib/rate_meter";
import { parseRoute } from "../src/lib/router";

test("the rate is that of the last seconds", () => {
    const meter = new RateMeter();
    for (let t = 0; t <= 20_000; t += 500)
        meter.add(t, t < 10_000 ? t : 10_000 + (t - 10_000) * 10);
    const speed = meter.bytesPerSecond(20_000);
    assert.ok(Math.abs(speed - 10_000) < 300, String(speed));
    assert.ok(Math.abs((meter.secondsLeft(20_000, 160_000) ?? 0) - 5) < 0.3);
});

test("a stall shows as a falling rate", () => {
    const meter = new RateMeter();
    meter.add(0, 0);
    meter.add(1000, 1000);
    assert.equal(meter.bytesPerSecond(1000), 1000);
    assert.equal(meter.bytesPerSecond(4000), 250);
});

test("there is no estimate before there is anything to base it on", () => {
    const meter = new RateMeter();
    assert.equal(meter.secondsLeft(0, 100), null);
    meter.add(0, 50);
    assert.equal(meter.secondsLeft(10, 100), null);
    assert.equal(meter.bytesPerSecond(10), 0);
});

test("going back to what the server has begins a new measurement", () => {
    const meter = new RateMeter();
    meter.add(0, 0);
    meter.add(1000, 9000);
    meter.add(2000, 4000);
    assert.equal(meter.bytesPerSecond(2000), 0);
    meter.add(3000, 5000);
    assert.equal(meter.bytesPerSecond(3000), 1000);
});

test("the list is asked for often while something changes and ever more slowly when it fails", () => {
    const still = { changing: false, waiting: false, failures: 0 };
    assert.ok(pollDelayMs({ ...still, changing: true }) <= 2000);
    assert.ok(pollDelayMs({ ...still, waiting: true }) < pollDelayMs(still));
    assert.ok(pollDelayMs({ ...still, failures: 3 }) > pollDelayMs({ ...still, failures: 1 }));
    assert.equal(pollDelayMs({ ...still, failures: 50 }), 30_000);
});

test("paths lead to pages, and only well-formed ids to a video", () => {
    const id = "0b9bd3f4-94cf-4f49-9e05-6f5a3dbd0a55";
    assert.deepEqual(parseRoute("/"), { page: "library" });
    assert.deepEqual(parseRoute(`/watch/${id}`), { page: "watch", id });
    assert.deepEqual(parseRoute(`/watch/${id.toUpperCase()}/`), { page: "watch", id });
    assert.deepEqual(parseRoute("/analytics"), { page: "analytics", id: null });
    assert.deepEqual(parseRoute(`/analytics/${id}`), { page: "analytics", id });
    assert.deepEqual(parseRoute("/analytics/x"), { page: "unknown" });
    assert.deepEqual(parseRoute("/watch/../../v1"), { page: "unknown" });
    assert.deepEqual(parseRoute("/watch/x"), { page: "unknown" });
    assert.deepEqual(parseRoute("/v1/videos"), { page: "unknown" });
});
