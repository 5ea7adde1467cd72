// One file on its way: tus-js-client with our rules about what is tried again.

import { type DetailedError, Upload } from "tus-js-client";

import { type FileFacts, type UploadMemory, fingerprintOf } from "./memory";
import type { UploadTarget } from "../api/types";
import { isTransient } from "./retry";

// Reset by every byte of progress; so this is the patience with a server that is away: about 10
// minutes.
const RETRY_DELAYS_MS = [0, 1000, 2000, 4000, 8000, 15_000, ...Array<number>(20).fill(30_000)];

export interface TransferEvents {
    progress(sent: number): void;
    retrying(): void;
    done(uploadUrl: string): void;
    failed(failure: TransferFailure): void;
}

export interface TransferFailure {
    // gone: the server no longer knows the upload, a new one may be begun
    kind: "gone" | "too_large" | "refused" | "offline" | "unreachable" | "file";
    status: number;
}

export class Transfer {
    private readonly upload: Upload;
    private over = false;

    constructor(
        file: File,
        videoId: string,
        target: UploadTarget,
        memory: UploadMemory,
        resumeFrom: string | null,
        events: TransferEvents,
    ) {
        const facts: FileFacts = file;
        this.upload = new Upload(file, {
            endpoint: resumeFrom ? null : target.url,
            uploadUrl: resumeFrom,
            headers: target.headers,
            metadata: { filename: file.name, filetype: file.type },
            retryDelays: RETRY_DELAYS_MS,
            storeFingerprintForResuming: true,
            removeFingerprintOnSuccess: false, // forgotten by the queue, after the notice to the API
            urlStorage: memory.urlStorageFor(videoId, facts),
            fingerprint: async () => fingerprintOf(facts),
            onUploadUrlAvailable: () => {
                // With an endpoint set, tus-js-client answers a 503 to its HEAD with a new, empty
                // upload.
                this.upload.options.endpoint = null;
            },
            onProgress: (sent) => {
                if (!this.over) events.progress(sent);
            },
            onShouldRetry: (error) => {
                const again = !this.over && isTransient(statusOf(error)) && navigator.onLine;
                if (again) events.retrying();
                return again;
            },
            onSuccess: () => {
                if (this.over) return;
                this.over = true;
                events.done(this.upload.url ?? "");
            },
            onError: (error) => {
                if (this.over) return;
                this.over = true;
                events.failed(failureOf(error));
            },
        });
    }

    start(): void {
        this.upload.start();
    }

    // Stops sending; what the server has stays there. Final: to go on, make a new Transfer.
    async stop(): Promise<void> {
        this.over = true;
        await this.upload.abort(false);
    }

    // Stops and removes what the server has.
    async discard(): Promise<void> {
        this.over = true;
        await this.upload.abort(true);
    }
}

function statusOf(error: Error | DetailedError): number {
    const response = "originalResponse" in error ? error.originalResponse : null;
    return response ? response.getStatus() : 0;
}

function failureOf(error: Error | DetailedError): TransferFailure {
    const status = statusOf(error);
    if (!("originalRequest" in error) || !error.originalRequest) return { kind: "file", status };
    if (status === 404 || status === 410) return { kind: "gone", status };
    if (status === 413) return { kind: "too_large", status };
    if (!isTransient(status)) return { kind: "refused", status };
    return { kind: navigator.onLine ? "unreachable" : "offline", status };
}
