// One video's page: what is known of it, for its owner and for a stranger with a link.

import { api } from "../api/client";
import { ApiError } from "../api/problem";
import type { Video } from "../api/types";
import { Poller } from "../lib/poll";
import { Store } from "../lib/store";

export interface Source {
    manifest: string;
    poster: string | null;
}

export type WatchState =
    | { kind: "loading" }
    | { kind: "missing" }
    | { kind: "error"; error: unknown }
    | { kind: "public"; source: Source }
    | { kind: "own"; video: Video; source: Source | null };

const isRefusal = (error: unknown): boolean =>
    error instanceof ApiError && [401, 403, 404].includes(error.status);

export class WatchModel {
    readonly state = new Store<WatchState>({ kind: "loading" });
    private readonly poller = new Poller(() => this.refresh());
    private closed = false;
    private final = false;

    constructor(
        readonly id: string,
        private readonly playBase: string,
    ) {}

    open(): void {
        this.poller.start();
    }

    close(): void {
        this.closed = true;
        this.poller.stop();
    }

    put(video: Video): void {
        const { value } = this.state;
        if (value.kind !== "own" || value.video.version > video.version) return;
        this.state.set({ ...value, video });
    }

    // After a failure of playback: a grant may have run out.
    async renew(): Promise<void> {
        this.final = false;
        this.state.set({ kind: "loading" });
        this.poller.start();
    }

    private async refresh(): Promise<{ changing: boolean; waiting: boolean }> {
        let video: Video;
        try {
            video = await api.video(this.id);
        } catch (error) {
            if (!isRefusal(error)) {
                if (this.state.value.kind === "loading") this.show({ kind: "error", error });
                throw error; // asked again, ever more slowly
            }
            await this.asStranger();
            return this.settled();
        }
        const { value } = this.state;
        let source = value.kind === "own" ? value.source : null;
        if (video.playable_at && !source) source = await this.sourceOf(video);
        this.show({ kind: "own", video, source });
        const changing = video.state === "PROCESSING";
        const waiting = video.state === "CREATED";
        return changing || waiting ? { changing, waiting } : this.settled();
    }

    private async sourceOf(video: Video): Promise<Source | null> {
        try {
            const playback = await api.playback(video.id);
            return { manifest: playback.manifest_url, poster: playback.poster_url };
        } catch (error) {
            if (error instanceof ApiError && error.status === 409) return null; // not playable after all
            if (video.manifest_url) return this.publicSource(video.manifest_url);
            throw error;
        }
    }

    private async asStranger(): Promise<void> {
        const manifest = `${this.playBase}/play/public/${this.id}/master.m3u8`;
        try {
            const response = await fetch(manifest, { credentials: "omit", cache: "no-store" });
            if (response.ok) this.show({ kind: "public", source: this.publicSource(manifest) });
            else if (response.status < 500) this.show({ kind: "missing" });
            else throw new ApiError(response.status, "playback_unavailable", "");
        } catch (error) {
            this.show({
                kind: "error",
                error: error instanceof ApiError ? error : new ApiError(0, "no_answer", ""),
            });
            throw error;
        }
    }

    private publicSource(manifest: string): Source {
        return { manifest, poster: manifest.replace(/master\.m3u8(\?.*)?$/, "thumbnail.jpg") };
    }

    private settled(): { changing: boolean; waiting: boolean } {
        this.final = true;
        this.poller.stop();
        return { changing: false, waiting: false };
    }

    get settledNow(): boolean {
        return this.final;
    }

    private show(next: WatchState): void {
        if (!this.closed) this.state.set(next);
    }
}
