import assert from "node:assert/strict";
import { test } from "node:test";

import { inWords, milliseconds, ratio, rebufferPercentOf, watchTime } from "../src/analytics/series";
import type { Analytics } from "../src/api/types";

const point = (t: string, watch: number, stalled: number) => ({
    series: { t, plays: 0, watch_time_s: watch },
    quality: { t, startup_ms: { p50: null, p95: null }, rebuffer_ratio: stalled },
});

test("a time in which nothing was watched has no rebuffering, one that only stalled has", () => {
    const points = [point("2026-01-01T00:00:00Z", 0, 0), point("2026-01-01T01:00:00Z", 0, 1), point("2026-01-01T02:00:00Z", 9, 0.1)];
    const a = {
        series: points.map((p) => p.series),
        quality: points.map((p) => p.quality),
    } as unknown as Analytics;
    assert.deepEqual(rebufferPercentOf(a).columns, [[null, 100, 10]]);
    assert.deepEqual(rebufferPercentOf(a).times.length, 3);
});

test("figures are written as people read them", () => {
    assert.equal(watchTime(4.25), "4.3 s");
    assert.equal(watchTime(59), "59 s");
    assert.equal(watchTime(90), "1.5 min");
    assert.equal(watchTime(7200), "2.0 h");
    assert.equal(milliseconds(null), "–");
    assert.equal(milliseconds(412.3), "412 ms");
    assert.equal(milliseconds(2500), "2.5 s");
    assert.equal(ratio(0), "0.0 %");
    assert.equal(ratio(0.0123), "1.23 %");
});

test("a chart is said in words", () => {
    const data = { times: [0, 60], columns: [[null, 3], [7, null]] };
    assert.match(inWords("Plays", data, String), /^Plays: at most 7$/);
    assert.match(inWords("Plays", { times: [0, 60], columns: [[1, 3]] }, String), /^Plays: at most 3, /);
    assert.equal(inWords("Plays", { times: [0], columns: [[null]] }, String), "Plays: nothing in this time");
});
