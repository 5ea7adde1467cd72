// The REST interface from the browser: same origin, session cookie, a deadline on every call.

import { ApiError, errorOf } from "./problem";
import type { Analytics, Playback, SessionInfo, Video, VideoPage, Visibility } from "./types";

const DEADLINE_MS = 15_000;

interface Options {
    method?: string;
    body?: unknown;
    headers?: Record<string, string>;
    signal?: AbortSignal | undefined;
}

async function send(path: string, options: Options = {}): Promise<Response> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const init: RequestInit = {
        method: options.method ?? "GET",
        headers: { Accept: "application/json", ...options.headers },
        credentials: "same-origin",
        cache: "no-store",
        signal: options.signal ? anyOf(options.signal, deadline) : deadline,
    };
    if (options.body !== undefined) {
        init.body = JSON.stringify(options.body);
        init.headers = { ...init.headers, "Content-Type": "application/json" };
    }
    let response: Response;
    try {
        response = await fetch(path, init);
    } catch (cause) {
        if (options.signal?.aborted) throw cause;
        throw new ApiError(0, "no_answer", "");
    }
    if (!response.ok) throw await errorOf(response);
    return response;
}

// AbortSignal.any is younger than the browsers this page supports.
function anyOf(a: AbortSignal, b: AbortSignal): AbortSignal {
    const both = new AbortController();
    for (const signal of [a, b]) {
        if (signal.aborted) both.abort(signal.reason);
        signal.addEventListener("abort", () => both.abort(signal.reason), { once: true });
    }
    return both.signal;
}

async function json<T>(path: string, options?: Options): Promise<T> {
    const response = await send(path, options);
    return (await response.json()) as T;
}

const videoPath = (id: string): string => `/v1/videos/${encodeURIComponent(id)}`;

export interface VideoChange {
    title?: string;
    description?: string;
    visibility?: Visibility;
}

export const api = {
    session: (): Promise<SessionInfo> => json("/session"),

    async signIn(token: string): Promise<void> {
        await send("/session", { method: "POST", body: { token } });
    },

    async signOut(): Promise<void> {
        await send("/session", { method: "DELETE" });
    },

    createVideo: (title: string): Promise<Video> =>
        json("/v1/videos", { method: "POST", body: { title } }),

    video: (id: string, signal?: AbortSignal): Promise<Video> => json(videoPath(id), { signal }),

    videos(pageToken?: string, signal?: AbortSignal): Promise<VideoPage> {
        const query = pageToken ? `?page_token=${encodeURIComponent(pageToken)}` : "";
        return json(`/v1/videos${query}`, { signal });
    },

    change: (id: string, change: VideoChange, version?: number): Promise<Video> =>
        json(videoPath(id), {
            method: "PATCH",
            body: change,
            headers: version === undefined ? {} : { "If-Match": `"${version}"` },
        }),

    async remove(id: string): Promise<void> {
        await send(videoPath(id), { method: "DELETE" });
    },

    complete: (id: string, uploadId: string): Promise<Video> =>
        json(`${videoPath(id)}/complete`, { method: "POST", body: { upload_id: uploadId } }),

    // Of one video, or of all that the caller may see.
    analytics(id: string | null, from: Date, signal?: AbortSignal): Promise<Analytics> {
        const path = id ? `/v1/analytics/videos/${encodeURIComponent(id)}` : "/v1/analytics";
        return json(`${path}?from=${encodeURIComponent(from.toISOString())}`, { signal });
    },

    playback: (id: string): Promise<Playback> =>
        json(`${videoPath(id)}/playback`, { method: "POST", body: {} }),
};
