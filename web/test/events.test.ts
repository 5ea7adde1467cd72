import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

import { Accounting, type Fact, type Moment } from "../src/events/accounting";
import { parseEmbedAddress } from "../src/embed/address";
import { randomId } from "../src/events/identity";
import { Sender, bodiesOf } from "../src/events/sender";

// A player whose clock and position move as the test says.
class Scene {
    facts: Fact[] = [];
    now = 5_000;
    position = 0;
    rate = 1;
    readonly accounting = new Accounting((fact) => this.facts.push(fact));

    at(): Moment {
        return { now: this.now, position: this.position, rate: this.rate };
    }

    // Plays for so long, with a timeupdate every 250 ms.
    play(ms: number): void {
        for (let left = ms; left > 0; left -= 250) {
            const step = Math.min(250, left);
            this.now += step;
            this.position += (step / 1000) * this.rate;
            this.accounting.progress(this.at(), true);
        }
    }

    start(startupMs = 300): void {
        this.accounting.askedToPlay(this.at());
        this.now += startupMs;
        this.accounting.playing(this.at());
    }

    seek(to: number): void {
        this.position = to;
        this.accounting.seekBegins(this.at());
        this.now += 80;
        this.accounting.waiting(this.at());
        this.now += 40;
        this.accounting.seekEnds(this.at());
        this.accounting.playing(this.at());
    }

    of(type: string): Fact[] {
        return this.facts.filter((f) => f.event_type === type);
    }

    sum(type: string): number {
        return this.of(type).reduce((sum, f) => sum + (f.value ?? 0), 0);
    }

    types(): string[] {
        return this.facts.map((f) => f.event_type);
    }
}

test("a poster that nobody plays reports nothing", () => {
    const s = new Scene();
    s.accounting.rendition(s.at(), 800_000, "360p");
    s.accounting.progress(s.at(), false);
    s.now += 60_000;
    s.accounting.beat(s.at());
    s.accounting.finish(s.at());
    assert.deepEqual(s.facts, []);
});

test("the first picture after a request to play is a play with its startup time", () => {
    const s = new Scene();
    s.start(420);
    assert.deepEqual(s.facts, [{ event_type: "play", position_ms: 0, value: 420 }]);
});

test("only a view's first play has a startup time", () => {
    const s = new Scene();
    s.start();
    s.play(1000);
    s.accounting.paused(s.at());
    s.start(50);
    const plays = s.of("play");
    assert.equal(plays.length, 2);
    assert.equal(plays[1]?.value, undefined);
    assert.equal(plays[1]?.position_ms, 1000);
});

test("a request that is taken back before a picture came is no play", () => {
    const s = new Scene();
    s.accounting.askedToPlay(s.at());
    s.now += 900;
    s.accounting.paused(s.at());
    assert.deepEqual(s.facts, []);
    s.now += 5000;
    s.start(200);
    assert.equal(s.of("play")[0]?.value, 200);
});

test("heartbeats add up to what was played, however often they come", () => {
    const s = new Scene();
    s.start();
    for (const ms of [5000, 300, 1, 4999]) {
        s.play(ms);
        s.accounting.beat(s.at());
    }
    s.play(700);
    s.accounting.paused(s.at());
    s.now += 60_000;
    s.accounting.beat(s.at());
    assert.equal(s.sum("heartbeat"), 11_000);
    assert.deepEqual(s.types().slice(-2), ["heartbeat", "pause"]);
});

test("fractions of a millisecond are carried on, not lost", () => {
    const s = new Scene();
    s.start();
    for (let i = 0; i < 10; i += 1) {
        s.now += 100.4;
        s.position += 0.1004;
        s.accounting.beat(s.at());
    }
    assert.equal(s.sum("heartbeat"), 1004);
});

test("a stall is reported when it ends, and is not watch time", () => {
    const s = new Scene();
    s.start();
    s.play(2000);
    s.accounting.waiting(s.at());
    s.now += 1500;
    assert.equal(s.of("buffer").length, 0);
    s.accounting.playing(s.at());
    s.play(1000);
    s.accounting.finish(s.at());
    assert.deepEqual(s.of("buffer"), [{ event_type: "buffer", position_ms: 2000, value: 1500 }]);
    assert.equal(s.sum("heartbeat"), 3000);
});

test("waiting for the first picture is startup, not a stall", () => {
    const s = new Scene();
    s.accounting.askedToPlay(s.at());
    s.accounting.waiting(s.at());
    s.now += 2500;
    s.accounting.playing(s.at());
    assert.deepEqual(s.types(), ["play"]);
    assert.equal(s.facts[0]?.value, 2500);
});

test("what is waited for after a seek is no stall, and what was skipped is not watched", () => {
    const s = new Scene();
    s.start();
    s.play(3000);
    s.seek(40);
    s.play(1000);
    s.accounting.finish(s.at());
    assert.equal(s.of("buffer").length, 0);
    assert.equal(s.sum("heartbeat"), 4000);
    assert.deepEqual(s.of("seek"), [{ event_type: "seek", position_ms: 40_000 }]);
});

test("a seek back takes nothing away", () => {
    const s = new Scene();
    s.start();
    s.play(3000);
    s.seek(0.5);
    s.play(2000);
    s.accounting.finish(s.at());
    assert.equal(s.sum("heartbeat"), 5000);
});

test("a stall that a seek ends counts up to the seek", () => {
    const s = new Scene();
    s.start();
    s.play(1000);
    s.accounting.waiting(s.at());
    s.now += 700;
    s.seek(20);
    assert.equal(s.sum("buffer"), 700);
});

test("what was played before a busy page heard of it counts", () => {
    const s = new Scene();
    s.accounting.askedToPlay(s.at());
    s.now += 1500;
    s.position = 1.2; // moving for that long already
    s.accounting.playing(s.at());
    s.play(1000);
    s.accounting.waiting(s.at());
    s.now += 2000;
    s.position += 0.5;
    s.accounting.playing(s.at());
    s.accounting.finish(s.at());
    assert.equal(s.sum("heartbeat"), 2700);
});

test("a picture that stands still is not watched, whatever the clock says", () => {
    const s = new Scene();
    s.start();
    s.play(1000);
    s.now += 3_600_000; // the computer slept
    s.accounting.beat(s.at());
    assert.equal(s.sum("heartbeat"), 1000);
});

test("at double speed a second of watching is a second", () => {
    const s = new Scene();
    s.start();
    s.play(1000);
    s.rate = 2;
    s.accounting.rateChanges({ ...s.at(), rate: 2 });
    s.play(2000);
    s.accounting.finish(s.at());
    assert.ok(Math.abs(s.sum("heartbeat") - 3000) <= 1, String(s.sum("heartbeat")));
});

test("playing that nobody announced is noticed by the moving position", () => {
    const s = new Scene();
    s.start();
    s.play(1000);
    s.accounting.waiting(s.at());
    s.now += 400;
    s.accounting.progress(s.at(), true); // stands still
    assert.equal(s.of("buffer").length, 0);
    s.play(1000);
    s.accounting.finish(s.at());
    assert.equal(s.of("buffer").length, 1);
    assert.ok(s.sum("heartbeat") >= 1750);
});

test("the rendition comes with the first play and with every change, after what was played before", () => {
    const s = new Scene();
    s.accounting.rendition(s.at(), 800_000, "360p");
    s.start();
    s.accounting.rendition(s.at(), 800_000, "360p");
    s.play(2000);
    s.accounting.rendition(s.at(), 2_000_000, "720p");
    assert.deepEqual(s.types(), ["play", "rendition", "heartbeat", "rendition"]);
    assert.deepEqual(
        s.of("rendition").map((f) => [f.value, f.detail]),
        [
            [800_000, "360p"],
            [2_000_000, "720p"],
        ],
    );
});

test("the end and a failure close the accounts", () => {
    const s = new Scene();
    s.start();
    s.play(1500);
    s.accounting.ended(s.at());
    assert.deepEqual(s.types(), ["play", "heartbeat", "ended"]);
    s.start(30);
    s.play(500);
    s.accounting.failed(s.at(), "network");
    assert.deepEqual(s.types().slice(3), ["play", "heartbeat", "error"]);
    assert.equal(s.facts.at(-1)?.detail, "network");
});

const WHO = { video_id: "v", session_id: "s", user_id: "u" };

test("events go out together, numbered, and nothing is sent twice", () => {
    const sent: string[] = [];
    const beacons: string[] = [];
    const transport = {
        send: (b: string) => void sent.push(b),
        beacon: (b: string) => beacons.push(b) > 0,
    };
    const sender = new Sender(WHO, transport, () => 1_700_000_000_000);
    sender.add({ event_type: "play", position_ms: 0, value: 5 });
    sender.add({ event_type: "pause", position_ms: 9 });
    sender.flush();
    sender.add({ event_type: "ended", position_ms: 10 });
    sender.flushForGood();
    sender.flushForGood();
    assert.equal(sent.length, 1);
    assert.deepEqual(JSON.parse(sent[0] ?? "").events, [
        { ...WHO, event_time: 1_700_000_000_000, seq: 1, event_type: "play", position_ms: 0, value: 5 },
        { ...WHO, event_time: 1_700_000_000_000, seq: 2, event_type: "pause", position_ms: 9 },
    ]);
    assert.equal(beacons.length, 1);
    assert.equal(JSON.parse(beacons[0] ?? "").events[0].seq, 3);
});

test("a beacon that is not taken is sent the other way", () => {
    const sent: string[] = [];
    const sender = new Sender(
        { ...WHO, user_id: null },
        { send: (b) => void sent.push(b), beacon: () => false },
    );
    sender.add({ event_type: "play", position_ms: 0 });
    sender.flushForGood();
    assert.equal(sent.length, 1);
    assert.equal("user_id" in JSON.parse(sent[0] ?? "").events[0], false);
});

test("a body stays small enough for a beacon, and loses nothing", () => {
    const events = Array.from({ length: 900 }, (_, n) => JSON.stringify({ n, text: "é".repeat(100) }));
    const bodies = bodiesOf(events);
    const seen = bodies.flatMap((b) => JSON.parse(b).events as { n: number }[]);
    assert.deepEqual(
        seen.map((e) => e.n),
        events.map((_, n) => n),
    );
    for (const body of bodies) assert.ok(new TextEncoder().encode(body).length < 60_000);
    assert.deepEqual(bodiesOf([]), []);
});

// Node 18 has it under another name only.
if (!("crypto" in globalThis)) Object.assign(globalThis, { crypto: webcrypto });

test("random ids look like UUIDs and differ", () => {
    const ids = new Set(Array.from({ length: 50 }, randomId));
    assert.equal(ids.size, 50);
    for (const id of ids)
        assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("an embed page's address holds the video, and its grant in the fragment", () => {
    const id = "0b9bd3f4-94cf-4f49-9e05-6f5a3dbd0a55";
    assert.deepEqual(parseEmbedAddress(`/embed/${id}`, ""), { videoId: id, grant: "public" });
    assert.deepEqual(parseEmbedAddress(`/embed/${id.toUpperCase()}/`, "#grant=aB-9_.~x"), {
        videoId: id,
        grant: "aB-9_.~x",
    });
    for (const bad of ["#grant=a/../b", "#grant=..", "#grant=a%2fb", "#grant="])
        assert.equal(parseEmbedAddress(`/embed/${id}`, bad), null, bad);
    assert.equal(parseEmbedAddress("/embed/x", ""), null);
    assert.equal(parseEmbedAddress(`/watch/${id}`, ""), null);
});
