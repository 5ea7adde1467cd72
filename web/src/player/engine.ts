// What plays: hls.js over Media Source, or the browser's own HLS. Both offer the same few things.

import { Store } from "../lib/store";
import type { Level } from "./levels";

export interface EngineState {
    levels: readonly Level[]; // highest first; empty until known
    chosen: string; // AUTO or a level's name
    current: string | null; // what is on the screen, when known
    failure: PlaybackFailure | null;
}

export type PlaybackFailure = "gone" | "network" | "media";

export interface Engine {
    readonly kind: "hls.js" | "native";
    readonly state: Store<EngineState>;
    choose(name: string): void;
    destroy(): void;
}

export const emptyState = (): EngineState => ({
    levels: [],
    chosen: "auto",
    current: null,
    failure: null,
});

const NATIVE_TYPE = "application/vnd.apple.mpegurl";

// Apple's browsers play HLS natively, with AirPlay and on phones without Media Source at all: there
// the browser's own engine is used. Others have begun to offer one too, but without a say about the
// quality: hls.js comes first there, and the native engine only where Media Source is missing.
export async function makeEngine(video: HTMLVideoElement, manifest: string): Promise<Engine> {
    const native = video.canPlayType(NATIVE_TYPE) !== "";
    const apple = "WebKitPlaybackTargetAvailabilityEvent" in window;
    if (native && (apple || !hasMediaSource()))
        return (await import("./native_engine")).start(video, manifest);
    return (await import("./hls_engine")).start(video, manifest);
}

function hasMediaSource(): boolean {
    return "MediaSource" in window || "ManagedMediaSource" in window;
}
