// The browser's own HLS. It chooses the quality by itself; a fixed one is had by playing that
// rendition's playlist in place of the master, at the same position.

import { Store } from "../lib/store";
import { type Engine, type EngineState, emptyState } from "./engine";
import { AUTO, parseMaster } from "./levels";

const MASTER_BYTES_MAX = 64 * 1024;

export function start(video: HTMLVideoElement, manifest: string): Engine {
    return new NativeEngine(video, manifest);
}

class NativeEngine implements Engine {
    readonly kind = "native";
    readonly state = new Store<EngineState>(emptyState());
    private readonly stop = new AbortController();

    constructor(
        private readonly video: HTMLVideoElement,
        private readonly manifest: string,
    ) {
        const { signal } = this.stop;
        video.addEventListener("error", () => this.onError(), { signal });
        video.addEventListener("resize", () => this.readCurrent(), { signal });
        video.src = manifest;
        void this.readLevels();
    }

    choose(name: string): void {
        const level = this.state.value.levels.find((l) => l.name === name);
        if (name !== AUTO && !level) return;
        this.change({ chosen: name });
        this.replace(level ? level.url : this.manifest);
    }

    destroy(): void {
        this.stop.abort();
        this.video.removeAttribute("src");
        this.video.load();
    }

    private replace(url: string): void {
        const { video } = this;
        const { currentTime, paused, playbackRate } = video;
        video.src = url;
        const { signal } = this.stop;
        const goOn = (): void => {
            video.currentTime = currentTime;
            video.playbackRate = playbackRate;
            if (!paused) void video.play().catch(() => undefined);
        };
        video.addEventListener("loadedmetadata", goOn, { once: true, signal });
    }

    private async readLevels(): Promise<void> {
        try {
            const response = await fetch(this.manifest, { signal: this.stop.signal });
            if (response.status === 403 || response.status === 404)
                this.change({ failure: "gone" });
            if (!response.ok) return;
            const text = await response.text();
            this.change({ levels: parseMaster(text.slice(0, MASTER_BYTES_MAX), response.url) });
            this.readCurrent();
        } catch {
            // Without the list there is no menu; the video plays all the same.
        }
    }

    private readCurrent(): void {
        const { videoWidth, videoHeight } = this.video;
        const side = `${Math.min(videoWidth, videoHeight)}p`;
        const known = this.state.value.levels.some((l) => l.name === side);
        if (known) this.change({ current: side });
    }

    private onError(): void {
        const code = this.video.error?.code;
        if (code === undefined || this.stop.signal.aborted) return;
        this.change({ failure: code === MediaError.MEDIA_ERR_NETWORK ? "network" : "media" });
    }

    private change(part: Partial<EngineState>): void {
        this.state.update((s) => ({ ...s, ...part }));
    }
}
