// Events on their way: gathered for a moment, sent in one request, forgotten whatever the answer.

import type { Fact } from "./accounting";

export interface Identity {
    video_id: string;
    session_id: string;
    user_id: string | null;
}

export interface Transport {
    send(body: string): void;
    beacon(body: string): boolean; // survives the page; false: it was not taken
}

const GATHER_MS = 1_000;
const QUEUE_MAX = 400;
// Of one request. What browsers carry on for a page that is gone is 64 KiB in all.
const EVENTS_MAX = 100;
const BYTES_MAX = 48 * 1024;

export class Sender {
    private readonly queue: string[] = [];
    private seq = 0;
    private timer: ReturnType<typeof setTimeout> | null = null;

    constructor(
        private readonly who: Identity,
        private readonly transport: Transport,
        private readonly wallClock: () => number = Date.now,
    ) {}

    add(fact: Fact): void {
        this.seq += 1;
        const { user_id, ...ids } = this.who;
        const event = {
            ...ids,
            ...(user_id ? { user_id } : {}),
            event_time: Math.round(this.wallClock()),
            seq: this.seq,
            ...fact,
        };
        if (this.queue.length >= QUEUE_MAX) this.queue.shift();
        this.queue.push(JSON.stringify(event));
        this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
    }

    flush(): void {
        for (const body of this.take()) this.transport.send(body);
    }

    // The page may be gone the next moment.
    flushForGood(): void {
        for (const body of this.take()) {
            if (!this.transport.beacon(body)) this.transport.send(body);
        }
    }

    private take(): string[] {
        if (this.timer !== null) clearTimeout(this.timer);
        this.timer = null;
        return bodiesOf(this.queue.splice(0));
    }
}

// Events, each already as JSON, in as few bodies as the limits allow.
export function bodiesOf(events: readonly string[]): string[] {
    const bodies: string[] = [];
    let part: string[] = [];
    let size = 0;
    const close = (): void => {
        if (part.length > 0) bodies.push(`{"events":[${part.join(",")}]}`);
        part = [];
        size = 0;
    };
    for (const event of events) {
        const bytes = 3 * event.length; // at most, in UTF-8
        if (part.length >= EVENTS_MAX || size + bytes > BYTES_MAX) close();
        part.push(event);
        size += bytes;
    }
    close();
    return bodies;
}
