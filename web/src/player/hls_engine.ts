// hls.js, loaded only when something is to be played.

import Hls, { type ErrorData, type HlsConfig } from "hls.js";

import { Store } from "../lib/store";
import { type Engine, type EngineState, emptyState } from "./engine";
import { AUTO, levelName, sortLevels } from "./levels";

// The worker as a file of its own: the page's policy allows no scripts from blobs.
declare const __HLS_WORKER_PATH__: string;

const CONFIG: Partial<HlsConfig> = {
    workerPath: __HLS_WORKER_PATH__,
    maxBufferLength: 30,
    backBufferLength: 60,
    // A first guess; every segment corrects it.
    abrEwmaDefaultEstimate: 3_000_000,
};
const MEDIA_RECOVERIES_MAX = 2;
const RECOVERY_FORGOTTEN_MS = 30_000;

export function start(video: HTMLVideoElement, manifest: string): Engine {
    return new HlsEngine(video, manifest);
}

class HlsEngine implements Engine {
    readonly kind = "hls.js";
    readonly state = new Store<EngineState>(emptyState());
    private readonly hls = new Hls(CONFIG);
    private recoveries = 0;
    private recoveredAt = 0;

    constructor(video: HTMLVideoElement, manifest: string) {
        const { hls } = this;
        hls.on(Hls.Events.MANIFEST_PARSED, () => this.readLevels());
        hls.on(Hls.Events.LEVELS_UPDATED, () => this.readLevels());
        hls.on(Hls.Events.LEVEL_SWITCHED, (_, data) =>
            this.change({ current: this.nameAt(data.level) }),
        );
        hls.on(Hls.Events.ERROR, (_, data) => this.onError(data));
        if (!Hls.isSupported()) {
            this.change({ failure: "media" });
            return;
        }
        hls.loadSource(manifest);
        hls.attachMedia(video);
    }

    choose(name: string): void {
        if (name === AUTO) {
            this.hls.nextLevel = -1;
            this.change({ chosen: AUTO });
            return;
        }
        const level = this.state.value.levels.find((l) => l.name === name);
        const index = this.hls.levels.findIndex((l) => level && l.url[0] === level.url);
        if (index < 0) return;
        // Not nextLevel: that leaves what is buffered, and a short clip that is buffered whole, or whose
        // last segment is just being appended, would never change.
        this.hls.currentLevel = index;
        this.change({ chosen: name });
    }

    destroy(): void {
        this.hls.destroy();
    }

    private readLevels(): void {
        const levels = this.hls.levels.map((l) => {
            const url = l.url[0] ?? "";
            return { name: levelName(url, l.width, l.height), bandwidth: l.bitrate, url };
        });
        this.change({ levels: sortLevels(levels) });
    }

    private nameAt(index: number): string | null {
        const level = this.hls.levels[index];
        return level ? levelName(level.url[0] ?? "", level.width, level.height) : null;
    }

    // hls.js has already tried again what can be tried again when an error is fatal.
    private onError(data: ErrorData): void {
        if (!data.fatal) return;
        if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.mayRecover()) {
            this.hls.recoverMediaError();
            return;
        }
        const status = data.response?.code ?? 0;
        const gone = status === 403 || status === 404 || status === 410;
        const network = data.type === Hls.ErrorTypes.NETWORK_ERROR;
        this.hls.stopLoad();
        this.change({ failure: gone ? "gone" : network ? "network" : "media" });
    }

    private mayRecover(): boolean {
        const now = performance.now();
        if (now - this.recoveredAt > RECOVERY_FORGOTTEN_MS) this.recoveries = 0;
        this.recoveredAt = now;
        this.recoveries += 1;
        return this.recoveries <= MEDIA_RECOVERIES_MAX;
    }

    private change(part: Partial<EngineState>): void {
        this.state.update((s) => ({ ...s, ...part }));
    }
}
