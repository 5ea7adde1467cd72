// Remembers which upload belongs to which file and video, so that a file added again after a reload
// goes on where it stopped. This is the URL storage of tus-js-client, with the video id beside the
// upload URL: the id stays in the browser and never reaches the upload service.

import type { PreviousUpload } from "tus-js-client";

export interface Remembered {
    fingerprint: string;
    videoId: string;
    uploadUrl: string | null; // null: the video exists, the upload was not created yet
    name: string;
    size: number;
    at: number;
}

export interface FileFacts {
    name: string;
    type: string;
    size: number;
    lastModified: number;
}

const PREFIX = "vora.upload.";
const KEPT_MS = 7 * 24 * 3600 * 1000;
const RECORDS_MAX = 200;

// The endpoint is left out on purpose: it carries a grant, which differs for every video.
export function fingerprintOf(file: FileFacts): string {
    return ["v1", file.name, file.type, file.size, file.lastModified].join("|");
}

// "/files/{upload_id}?grant=..." -> upload_id
export function uploadIdOf(url: string): string | null {
    const path = url.replace(/[?#].*$/, "");
    const last = path.slice(path.lastIndexOf("/") + 1);
    try {
        return last ? decodeURIComponent(last) : null;
    } catch {
        return null;
    }
}

export class UploadMemory {
    constructor(
        private readonly storage: Storage,
        private readonly now: () => number = Date.now,
    ) {}

    find(fingerprint: string): Remembered | null {
        return this.read(PREFIX + fingerprint);
    }

    ofVideo(videoId: string): Remembered | null {
        return this.all().find((r) => r.videoId === videoId) ?? null;
    }

    put(record: Omit<Remembered, "at">): void {
        this.prune();
        try {
            this.storage.setItem(
                PREFIX + record.fingerprint,
                JSON.stringify({ ...record, at: this.now() }),
            );
        } catch {
            // A full or forbidden storage costs the resumption after a reload, not the upload.
        }
    }

    forget(fingerprint: string): void {
        try {
            this.storage.removeItem(PREFIX + fingerprint);
        } catch {
            // as above
        }
    }

    all(): Remembered[] {
        const found: Remembered[] = [];
        for (const key of this.keys()) {
            const record = this.read(key);
            if (record) found.push(record);
        }
        return found.sort((a, b) => b.at - a.at);
    }

    // The face tus-js-client sees while it uploads `file` into `videoId`.
    urlStorageFor(videoId: string, file: FileFacts) {
        const toPrevious = (r: Remembered): PreviousUpload => ({
            size: r.size,
            metadata: {},
            creationTime: new Date(r.at).toISOString(),
            urlStorageKey: r.fingerprint,
            uploadUrl: r.uploadUrl,
            parallelUploadUrls: null,
        });
        return {
            findAllUploads: async (): Promise<PreviousUpload[]> => this.all().map(toPrevious),
            findUploadsByFingerprint: async (fingerprint: string): Promise<PreviousUpload[]> => {
                const record = this.find(fingerprint);
                return record?.uploadUrl ? [toPrevious(record)] : [];
            },
            removeUpload: async (key: string): Promise<void> => this.forget(key),
            addUpload: async (fingerprint: string, upload: PreviousUpload): Promise<string> => {
                const { name, size } = file;
                this.put({ fingerprint, videoId, uploadUrl: upload.uploadUrl, name, size });
                return fingerprint;
            },
        };
    }

    private prune(): void {
        const oldest = this.now() - KEPT_MS;
        this.all().forEach((record, index) => {
            if (record.at < oldest || index >= RECORDS_MAX) this.forget(record.fingerprint);
        });
    }

    private keys(): string[] {
        const keys: string[] = [];
        try {
            for (let i = 0; i < this.storage.length; i += 1) {
                const key = this.storage.key(i);
                if (key?.startsWith(PREFIX)) keys.push(key);
            }
        } catch {
            return [];
        }
        return keys;
    }

    private read(key: string): Remembered | null {
        try {
            const parsed: unknown = JSON.parse(this.storage.getItem(key) ?? "null");
            return isRemembered(parsed) && PREFIX + parsed.fingerprint === key ? parsed : null;
        } catch {
            return null;
        }
    }
}

function isRemembered(value: unknown): value is Remembered {
    if (!value || typeof value !== "object") return false;
    const r = value as Record<string, unknown>;
    return (
        typeof r["fingerprint"] === "string" &&
        typeof r["videoId"] === "string" &&
        (r["uploadUrl"] === null || typeof r["uploadUrl"] === "string") &&
        typeof r["name"] === "string" &&
        typeof r["size"] === "number" &&
        typeof r["at"] === "number"
    );
}
