// States and codes in words.

import type { CodeAndDetail, Progress, VideoState } from "../api/types";

export function stateWord(state: VideoState): string {
    switch (state) {
        case "CREATED":
            return "Waiting for upload";
        case "PROCESSING":
            return "Processing";
        case "READY":
            return "Ready";
        case "FAILED":
            return "Failed";
    }
}

const FAILURES: Record<string, string> = {
    input_empty: "The file is empty.",
    input_not_video: "The file is not a video.",
    input_no_video: "The file has sound but no picture.",
    input_too_long: "The video is longer than this server accepts.",
    input_too_many_pixels: "The picture is larger than this server accepts.",
    input_damaged: "The file is damaged beyond repair.",
    input_encrypted: "The file is encrypted.",
    input_unsupported_codec: "The video is in a format that cannot be decoded here.",
    input_too_expensive: "The video costs more computing time than this server allows.",
    upload_expired: "The upload was not finished in time.",
    upload_terminated: "The upload was cancelled.",
    encoder_crashed: "The encoder crashed on this file at every attempt.",
    storage_unavailable: "The storage was away for too long.",
    cancelled: "Processing was cancelled.",
    internal_error: "Something went wrong inside Vora.",
};

export function failureInWords(error: CodeAndDetail | null): string {
    if (!error) return "Processing failed.";
    return FAILURES[error.code] ?? (error.detail || `Processing failed (${error.code}).`);
}

const REPORTS: Record<string, string> = {
    truncated: "The file ends early; what is there is playable.",
    damaged: "Parts of the file are damaged.",
};

export function reportInWords(entry: CodeAndDetail): string {
    return REPORTS[entry.code] ?? (entry.detail || entry.code);
}

const STAGES: Record<string, string> = {
    queued: "Waiting for a free worker",
    waiting_for_disk_space: "Waiting for disk space",
    probe: "Reading the file",
    probing: "Reading the file",
    encode: "Encoding",
    encoding: "Encoding",
    transcode: "Encoding",
    package: "Finishing",
    publish: "Finishing",
    publishing: "Finishing",
};

export function stageInWords(progress: Progress | null): string {
    if (!progress) return "Processing";
    return STAGES[progress.stage] ?? "Processing";
}
