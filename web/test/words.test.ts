import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, errorOf, inWords } from "../src/api/problem";
import { failureInWords, reportInWords, stageInWords } from "../src/lib/words";

test("failures are told in words, unknown ones by their detail", () => {
    assert.match(failureInWords({ code: "input_no_video", detail: "" }), /no picture/);
    assert.equal(
        failureInWords({ code: "something_new", detail: "The moon is full." }),
        "The moon is full.",
    );
    assert.match(failureInWords({ code: "something_new", detail: "" }), /something_new/);
    assert.equal(failureInWords(null), "Processing failed.");
    assert.match(reportInWords({ code: "truncated", detail: "x" }), /ends early/);
    assert.equal(stageInWords({ stage: "never heard", percent: 1, eta_s: null }), "Processing");
});

test("a problem document becomes an error with code, detail and request id", async () => {
    const body = JSON.stringify({
        title: "T",
        detail: "D",
        code: "video_not_found",
        request_id: "r1",
    });
    const error = await errorOf(new Response(body, { status: 404 }));
    assert.deepEqual(
        [error.status, error.code, error.detail, error.requestId],
        [404, "video_not_found", "D", "r1"],
    );
});

test("an answer that is no problem document still becomes an error", async () => {
    const error = await errorOf(new Response("<html>Bad gateway</html>", { status: 502 }));
    assert.equal(error.code, "http_502");
    assert.match(inWords(error), /right now/);
});

test("every kind of trouble has a sentence", () => {
    assert.match(inWords(new ApiError(0, "no_answer", "")), /does not answer/);
    assert.match(inWords(new ApiError(412, "x", "")), /meantime/);
    assert.match(inWords(new TypeError("bug")), /Reload/);
});
