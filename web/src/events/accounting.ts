// What a player reports of itself, worked out from what its <video> element says. Pure: time and
// position come in with every call, facts go out through `emit`.
//
// Played time is the smaller of the time that passed and the time that the picture advanced, so
// neither a stall that nobody announced nor a computer that slept counts as watching.

export type EventType =
    | "play"
    | "pause"
    | "buffer"
    | "heartbeat"
    | "seek"
    | "ended"
    | "rendition"
    | "error";

export interface Fact {
    event_type: EventType;
    position_ms: number;
    value?: number;
    detail?: string;
}

export interface Moment {
    now: number; // ms of a clock that never jumps
    position: number; // s in the video
    rate: number; // playback speed
}

// Shorter ones cannot be seen; browsers announce them around seeks and at segment borders.
const STALL_MIN_MS = 100;
// A position is reported about four times a second.
const SILENCE_MAX_MS = 400;

export class Accounting {
    private askedAt: number | null = null; // to play; no picture yet
    private started = false; // there was a first frame
    private from: Moment | null = null; // plays since
    private last: Moment | null = null; // the last moment at which it is known to have played
    private still: Moment = { now: 0, position: 0, rate: 1 }; // stands still since
    private stalledAt: number | null = null;
    private seeking = false;
    private unreported = 0; // ms played
    private rate: { bandwidth: number; name: string } | null = null;

    constructor(private readonly emit: (fact: Fact) => void) {}

    askedToPlay(at: Moment): void {
        if (this.askedAt !== null || this.from !== null) return;
        this.askedAt = at.now;
        this.still = at;
    }

    // Pictures move: since the position that it rested at. On a busy machine this is heard late.
    playing(at: Moment): void {
        if (this.askedAt !== null) {
            const startup = Math.max(1, Math.round(at.now - this.askedAt));
            this.say("play", at, this.started ? undefined : startup);
            this.askedAt = null;
            const first = !this.started;
            this.started = true;
            if (first) this.sayRendition(at);
        }
        this.endStall(at);
        this.from ??= this.still.position <= at.position ? { ...this.still, rate: at.rate } : at;
        this.last = at;
    }

    // The position was read; `active` = neither paused nor at the end nor seeking.
    progress(at: Moment, active: boolean): void {
        if (this.from !== null) this.last = at;
        else if (!active || this.seeking) this.still = at;
        else if (at.position > this.still.position) this.playing(at);
    }

    waiting(at: Moment): void {
        this.stopCounting(at);
        const stalls = this.started && this.askedAt === null && !this.seeking;
        if (stalls && this.stalledAt === null) this.stalledAt = at.now;
    }

    paused(at: Moment): void {
        const played = this.started && this.askedAt === null;
        this.askedAt = null;
        this.rest(at);
        if (played) this.say("pause", at);
    }

    ended(at: Moment): void {
        this.rest(at);
        if (this.started) this.say("ended", at);
    }

    seekBegins(at: Moment): void {
        if (this.from !== null && this.last !== null) {
            // The position is already the new one: counted is up to where it was last seen.
            const since = Math.min(at.now - this.last.now, SILENCE_MAX_MS);
            const position = this.last.position + (since / 1000) * this.from.rate;
            this.stopCounting({ ...at, now: this.last.now + since, position });
        }
        this.endStall(at);
        this.seeking = true;
        this.still = at;
    }

    seekEnds(at: Moment): void {
        this.seeking = false;
        if (this.from === null) this.still = at;
        if (!this.started) return;
        this.heartbeat(at);
        this.say("seek", at);
    }

    rateChanges(at: Moment): void {
        if (this.from !== null) this.countAfresh(at);
    }

    // Time played so far is reported; call it at least every ten seconds, and before the page goes.
    beat(at: Moment): void {
        if (this.from !== null) this.countAfresh(at);
        this.heartbeat(at);
    }

    rendition(at: Moment, bandwidth: number, name: string): void {
        if (this.rate?.name === name && this.rate.bandwidth === bandwidth) return;
        // What was played until now was played at the old rate.
        if (this.started) this.beat(at);
        this.rate = { bandwidth, name };
        if (this.started) this.sayRendition(at);
    }

    failed(at: Moment, code: string): void {
        this.rest(at);
        this.say("error", at, undefined, code);
    }

    // The page goes away.
    finish(at: Moment): void {
        this.rest(at);
    }

    private rest(at: Moment): void {
        this.stopCounting(at);
        this.endStall(at);
        this.heartbeat(at);
    }

    private countAfresh(at: Moment): void {
        this.stopCounting(at);
        this.from = at;
        this.last = at;
    }

    private stopCounting(at: Moment): void {
        if (this.from !== null) {
            const passed = at.now - this.from.now;
            const advanced = ((at.position - this.from.position) * 1000) / (this.from.rate || 1);
            this.unreported += Math.max(0, Math.min(passed, advanced));
        }
        this.from = null;
        this.last = null;
        this.still = at;
    }

    private endStall(at: Moment): void {
        const stalled = this.stalledAt === null ? 0 : at.now - this.stalledAt;
        this.stalledAt = null;
        if (stalled >= STALL_MIN_MS) this.say("buffer", at, Math.round(stalled));
    }

    private heartbeat(at: Moment): void {
        const whole = Math.round(this.unreported);
        if (whole < 1) return;
        this.unreported -= whole;
        this.say("heartbeat", at, whole);
    }

    private sayRendition(at: Moment): void {
        if (this.rate) this.say("rendition", at, this.rate.bandwidth, this.rate.name);
    }

    private say(event_type: EventType, at: Moment, value?: number, detail?: string): void {
        const position_ms = Math.max(0, Math.round(at.position * 1000)) || 0;
        this.emit({
            event_type,
            position_ms,
            ...(value === undefined ? {} : { value }),
            ...(detail === undefined ? {} : { detail }),
        });
    }
}
