// Watches one <video> and its engine, and reports. Nothing that goes wrong here reaches the player.

import type { Engine } from "../player/engine";
import { Accounting, type Moment } from "./accounting";
import { browserTransport } from "./browser_transport";
import { randomId, viewerId } from "./identity";
import { type Identity, Sender, type Transport } from "./sender";

const EVENTS_URL = "/v1/events";
const BEAT_MS = 5_000;

const newView = (videoId: string): Identity => ({
    video_id: videoId,
    session_id: randomId(),
    user_id: viewerId(),
});

export class Observer {
    private readonly stopped = new AbortController();
    private readonly accounting: Accounting;
    private readonly sender: Sender;
    private readonly timer: ReturnType<typeof setInterval>;
    private leaveEngine = (): void => undefined;

    constructor(
        private readonly video: HTMLVideoElement,
        videoId: string,
        transport: Transport = browserTransport(EVENTS_URL),
    ) {
        this.sender = new Sender(newView(videoId), transport);
        this.accounting = new Accounting((fact) => this.sender.add(fact));
        this.listen();
        this.timer = setInterval(this.quietly(() => this.accounting.beat(this.at())), BEAT_MS);
    }

    follow(engine: Engine): void {
        this.leaveEngine();
        let failure: string | null = null;
        const read = this.quietly(() => {
            const { current, levels, failure: now } = engine.state.value;
            const level = levels.find((l) => l.name === current);
            if (level) this.accounting.rendition(this.at(), level.bandwidth, level.name);
            if (now && now !== failure) this.accounting.failed(this.at(), now);
            failure = now;
        });
        read();
        this.leaveEngine = engine.state.subscribe(read);
    }

    failedToLoad(): void {
        this.quietly(() => this.accounting.failed(this.at(), "network"))();
    }

    stop(): void {
        clearInterval(this.timer);
        this.leaveEngine();
        this.stopped.abort();
        this.quietly(() => {
            this.accounting.finish(this.at());
            this.sender.flushForGood();
        })();
    }

    private listen(): void {
        const { video, accounting: a } = this;
        const { signal } = this.stopped;
        const on = (name: string, act: () => void): void =>
            video.addEventListener(name, this.quietly(act), { signal });
        on("play", () => a.askedToPlay(this.at()));
        on("playing", () => a.playing(this.at()));
        on("timeupdate", () =>
            a.progress(this.at(), !video.paused && !video.ended && !video.seeking),
        );
        on("waiting", () => a.waiting(this.at()));
        on("pause", () => {
            if (!video.ended) a.paused(this.at()); // else "ended" follows
        });
        on("ended", () => a.ended(this.at()));
        on("seeking", () => a.seekBegins(this.at()));
        on("seeked", () => a.seekEnds(this.at()));
        on("ratechange", () => a.rateChanges(this.at()));
        // Hidden: it may play on, or never be heard of again (a phone). Gone: it ends here.
        const hidden = this.quietly(() => {
            if (document.visibilityState !== "hidden") return;
            a.beat(this.at());
            this.sender.flushForGood();
        });
        const gone = this.quietly(() => {
            a.finish(this.at());
            this.sender.flushForGood();
        });
        document.addEventListener("visibilitychange", hidden, { signal });
        window.addEventListener("pagehide", gone, { signal });
    }

    private at(): Moment {
        const { currentTime, playbackRate } = this.video;
        return { now: performance.now(), position: currentTime, rate: playbackRate };
    }

    private quietly(act: () => void): () => void {
        return () => {
            try {
                act();
            } catch {
                // Reported at best effort.
            }
        };
    }
}
