// The REST objects as contracts/openapi describes them. Absent facts are null.

export type VideoState = "CREATED" | "PROCESSING" | "READY" | "FAILED";
export type Visibility = "private" | "public";

export interface Rendition {
    name: string;
    width: number;
    height: number;
    bandwidth: number;
    codecs: string;
}

export interface Progress {
    stage: string;
    percent: number;
    eta_s: number | null;
}

export interface CodeAndDetail {
    code: string;
    detail: string;
}

export interface UploadTarget {
    url: string;
    headers: Record<string, string>;
    expires_at: string;
}

export interface Video {
    id: string;
    title: string;
    description: string | null;
    state: VideoState;
    visibility: Visibility;
    playable_at: string | null;
    manifest_url: string | null;
    duration_s: number | null;
    width: number | null;
    height: number | null;
    renditions: Rendition[] | null;
    progress: Progress | null;
    input_report: CodeAndDetail[] | null;
    error: CodeAndDetail | null;
    version: number;
    created_at: string;
    updated_at: string;
    upload?: UploadTarget | null;
}

export interface VideoPage {
    videos: Video[];
    next_page_token?: string;
}

export interface Playback {
    manifest_url: string;
    poster_url: string | null;
    expires_at: string;
}

export interface Quantiles {
    p50: number | null;
    p95: number | null;
}

// docs/analytics.md says what each figure means.
export interface Analytics {
    from: string;
    to: string;
    plays: number;
    viewers: number;
    watch_time_s: number;
    startup_ms: Quantiles;
    rebuffer_count: number;
    rebuffer_ratio: number;
    average_bitrate: number | null;
    errors: number;
    partial: boolean;
    series: { t: string; plays: number; watch_time_s: number }[];
    quality: { t: string; startup_ms: Quantiles; rebuffer_ratio: number }[];
}

export interface SessionInfo {
    subject: string;
    scope: "view" | "edit" | "admin";
}
