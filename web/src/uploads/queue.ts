// The files being uploaded from this page: video first, then bytes, then the notice to the API. Two
// at a time; the rest waits in order.

import { api } from "../api/client";
import { ApiError, inWords } from "../api/problem";
import type { UploadTarget, Video } from "../api/types";
import { percent, titleOf } from "../lib/format";
import { RateMeter } from "../lib/rate_meter";
import { Store } from "../lib/store";
import { UploadMemory, fingerprintOf, uploadIdOf } from "./memory";
import { Transfer, type TransferFailure } from "./transfer";

export type UploadStatus =
    | "queued"
    | "starting"
    | "uploading"
    | "retrying"
    | "offline"
    | "paused"
    | "finishing"
    | "done"
    | "failed";

export interface UploadItem {
    key: number;
    name: string;
    size: number;
    status: UploadStatus;
    sent: number;
    rate: number;
    secondsLeft: number | null;
    resumed: boolean;
    videoId: string | null;
    error: string | null;
}

interface Entry {
    item: UploadItem;
    file: File;
    transfer: Transfer | null;
    meter: RateMeter;
    uploadUrl: string | null;
    restarts: number;
}

const RUNNING_MAX = 2;
const RESTARTS_MAX = 2;
const TICK_MS = 300;
const COMPLETE_TRIES = 4;
const RUNNING: readonly UploadStatus[] = [
    "starting",
    "uploading",
    "retrying",
    "offline",
    "finishing",
];

export const isRunning = (item: UploadItem): boolean => RUNNING.includes(item.status);
export const isOver = (item: UploadItem): boolean =>
    item.status === "done" || item.status === "failed";

export function sentPercent(item: UploadItem): number {
    if (item.size === 0) return item.status === "done" ? 100 : 0;
    return percent((100 * item.sent) / item.size);
}

export class UploadQueue {
    readonly items = new Store<readonly UploadItem[]>([]);
    // A video was made or changed by an upload: lists should look.
    onChange: () => void = () => undefined;

    private entries: Entry[] = [];
    private nextKey = 1;
    private ticker: ReturnType<typeof setInterval> | null = null;

    constructor(readonly memory: UploadMemory) {
        window.addEventListener("online", () => this.onOnline());
        window.addEventListener("beforeunload", (event) => {
            if (this.entries.some((e) => isRunning(e.item) || e.item.status === "queued"))
                event.preventDefault();
        });
    }

    add(files: Iterable<File>): void {
        for (const file of files) {
            const fingerprint = fingerprintOf(file);
            const same = this.entries.find(
                (e) => fingerprintOf(e.file) === fingerprint && !isOver(e.item),
            );
            if (same) {
                if (same.item.status === "paused") this.resume(same.item.key);
                continue;
            }
            const item: UploadItem = {
                key: this.nextKey++,
                name: file.name,
                size: file.size,
                status: "queued",
                sent: 0,
                rate: 0,
                secondsLeft: null,
                resumed: false,
                videoId: null,
                error: null,
            };
            const blank = { transfer: null, uploadUrl: null, restarts: 0 };
            this.entries.push({ item, file, meter: new RateMeter(), ...blank });
        }
        this.schedule();
    }

    pause(key: number): void {
        const entry = this.entry(key);
        if (!entry || isOver(entry.item) || entry.item.status === "finishing") return;
        void entry.transfer?.stop();
        entry.transfer = null;
        this.set(entry, { status: "paused", rate: 0, secondsLeft: null });
        this.schedule();
    }

    resume(key: number): void {
        const entry = this.entry(key);
        if (!entry || (entry.item.status !== "paused" && entry.item.status !== "failed")) return;
        entry.meter.reset();
        entry.restarts = 0;
        this.set(entry, { status: "queued", error: null });
        this.schedule();
    }

    // Gives the upload up: its bytes and its video go too.
    async cancel(key: number): Promise<void> {
        const entry = this.entry(key);
        if (!entry || entry.item.status === "done") return;
        this.entries = this.entries.filter((e) => e !== entry);
        this.publish();
        this.schedule();
        this.memory.forget(fingerprintOf(entry.file));
        try {
            await entry.transfer?.discard();
        } catch {
            // The server removes what nobody finishes; the video below is what the user sees.
        }
        if (entry.item.videoId) await this.removeVideo(entry.item.videoId);
    }

    dismiss(key: number): void {
        this.entries = this.entries.filter((e) => e.item.key !== key || !isOver(e.item));
        this.publish();
    }

    dismissDone(): void {
        this.entries = this.entries.filter((e) => e.item.status !== "done");
        this.publish();
    }

    private async removeVideo(id: string): Promise<void> {
        try {
            await api.remove(id);
        } catch {
            // It shows in the list and can be removed there.
        }
        this.onChange();
    }

    private entry(key: number): Entry | undefined {
        return this.entries.find((e) => e.item.key === key);
    }

    private set(entry: Entry, change: Partial<UploadItem>): void {
        entry.item = { ...entry.item, ...change };
        this.publish();
    }

    private publish(): void {
        this.items.set(this.entries.map((e) => e.item));
        const moving = this.entries.some((e) => isRunning(e.item));
        if (moving && this.ticker === null) this.ticker = setInterval(() => this.tick(), TICK_MS);
        if (!moving && this.ticker !== null) {
            clearInterval(this.ticker);
            this.ticker = null;
        }
    }

    private tick(): void {
        const now = performance.now();
        for (const entry of this.entries) {
            if (entry.item.status !== "uploading") continue;
            const rate = entry.meter.bytesPerSecond(now);
            entry.item = {
                ...entry.item,
                rate,
                secondsLeft: entry.meter.secondsLeft(now, entry.item.size),
            };
        }
        this.publish();
    }

    private schedule(): void {
        let free = RUNNING_MAX - this.entries.filter((e) => isRunning(e.item)).length;
        for (const entry of this.entries) {
            if (free <= 0) break;
            if (entry.item.status !== "queued") continue;
            free -= 1;
            this.set(entry, { status: "starting" });
            void this.run(entry);
        }
        this.publish();
    }

    private gone(entry: Entry): boolean {
        return !this.entries.includes(entry) || entry.item.status !== "starting";
    }

    private async run(entry: Entry): Promise<void> {
        try {
            const { video, resumeFrom } = await this.videoFor(entry);
            if (!this.entries.includes(entry)) return void this.removeVideo(video.id);
            if (entry.item.status !== "starting") return; // paused meanwhile
            if (!video.upload)
                throw new ApiError(409, "no_upload_target", "This video takes no upload any more.");
            this.transfer(entry, video.id, video.upload, resumeFrom);
        } catch (error) {
            if (!this.gone(entry)) this.fail(entry, inWords(error));
        }
    }

    // The video this file belongs to: the one of an interrupted upload, or a new one.
    private async videoFor(entry: Entry): Promise<{ video: Video; resumeFrom: string | null }> {
        const fingerprint = fingerprintOf(entry.file);
        const before = this.memory.find(fingerprint);
        if (before) {
            const video = await this.unfinished(before.videoId);
            if (video) {
                entry.uploadUrl = before.uploadUrl;
                this.set(entry, { videoId: video.id, resumed: before.uploadUrl !== null });
                return { video, resumeFrom: before.uploadUrl };
            }
            this.memory.forget(fingerprint);
        }
        const video = await api.createVideo(titleOf(entry.file.name));
        const { name, size } = entry.file;
        this.memory.put({ fingerprint, videoId: video.id, uploadUrl: null, name, size });
        this.set(entry, { videoId: video.id, resumed: false });
        this.onChange();
        return { video, resumeFrom: null };
    }

    private async unfinished(id: string): Promise<Video | null> {
        try {
            const video = await api.video(id);
            return video.state === "CREATED" && video.upload ? video : null;
        } catch (error) {
            if (error instanceof ApiError && error.status === 404) return null;
            throw error;
        }
    }

    private transfer(
        entry: Entry,
        videoId: string,
        target: UploadTarget,
        resumeFrom: string | null,
    ): void {
        entry.meter.reset();
        entry.transfer = new Transfer(entry.file, videoId, target, this.memory, resumeFrom, {
            progress: (sent) => {
                entry.meter.add(performance.now(), sent);
                const resumedNow = entry.item.status !== "uploading";
                entry.item = { ...entry.item, status: "uploading", sent };
                if (resumedNow || sent === entry.item.size) this.publish();
            },
            retrying: () => this.set(entry, { status: "retrying", rate: 0, secondsLeft: null }),
            done: (url) => void this.finish(entry, videoId, url),
            failed: (failure) => this.onFailure(entry, failure),
        });
        this.set(entry, { status: "uploading" });
        entry.transfer.start();
    }

    private async finish(entry: Entry, videoId: string, url: string): Promise<void> {
        entry.transfer = null;
        this.set(entry, { status: "finishing", sent: entry.item.size, rate: 0, secondsLeft: null });
        const uploadId = uploadIdOf(url);
        // The server also hears of it by itself: this notice only makes it sooner.
        for (let n = 0; uploadId && n < COMPLETE_TRIES; n += 1) {
            try {
                await api.complete(videoId, uploadId);
                break;
            } catch (error) {
                if (error instanceof ApiError && error.status >= 400 && error.status < 500) break;
                await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** n));
            }
        }
        this.memory.forget(fingerprintOf(entry.file));
        this.set(entry, { status: "done" });
        this.onChange();
        this.schedule();
    }

    private onFailure(entry: Entry, failure: TransferFailure): void {
        entry.transfer = null;
        if (failure.kind === "offline") {
            this.set(entry, { status: "offline", rate: 0, secondsLeft: null });
            return;
        }
        if (failure.kind === "gone" && entry.restarts < RESTARTS_MAX) {
            // The upload vanished (expired, or removed): the video may still take a new one.
            entry.restarts += 1;
            const fingerprint = fingerprintOf(entry.file);
            const before = this.memory.find(fingerprint);
            if (before) this.memory.put({ ...before, uploadUrl: null });
            this.set(entry, { status: "starting", sent: 0, resumed: false });
            void this.run(entry);
            return;
        }
        if (failure.kind === "too_large" && entry.item.videoId) {
            // No second try can succeed: leave no video behind that waits for this file.
            this.memory.forget(fingerprintOf(entry.file));
            void this.removeVideo(entry.item.videoId);
            entry.item = { ...entry.item, videoId: null };
        }
        this.fail(entry, failureSentence(failure));
    }

    private fail(entry: Entry, sentence: string): void {
        this.set(entry, { status: "failed", error: sentence, rate: 0, secondsLeft: null });
        this.onChange();
        this.schedule();
    }

    private onOnline(): void {
        for (const entry of this.entries) {
            if (entry.item.status !== "offline") continue;
            this.set(entry, { status: "starting" });
            void this.run(entry);
        }
    }
}

function failureSentence(failure: TransferFailure): string {
    switch (failure.kind) {
        case "too_large":
            return "The file is larger than this server accepts.";
        case "file":
            return "The file cannot be read. Was it moved or changed?";
        case "unreachable":
            return "The server cannot be reached. What was sent is kept; try again to go on.";
        case "gone":
            return "The server no longer knows this upload.";
        default:
            return `The server refused the upload (${failure.status}).`;
    }
}
