// What the <video> element is doing, as component state.

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface MediaState {
    playing: boolean;
    waiting: boolean;
    ended: boolean;
    started: boolean;
    position: number;
    duration: number;
    bufferedTo: number;
    volume: number;
    muted: boolean;
}

const INITIAL: MediaState = {
    playing: false,
    waiting: false,
    ended: false,
    started: false,
    position: 0,
    duration: Number.NaN,
    bufferedTo: 0,
    volume: 1,
    muted: false,
};

const EVENTS = [
    "play",
    "playing",
    "pause",
    "waiting",
    "seeking",
    "seeked",
    "ended",
    "timeupdate",
    "durationchange",
    "progress",
    "volumechange",
    "canplay",
    "emptied",
] as const;

export function useMediaState(ref: RefObject<HTMLVideoElement | null>): MediaState {
    const [state, setState] = useState(INITIAL);
    useEffect(() => {
        const video = ref.current;
        if (!video) return undefined;
        const read = (event: Event): void => {
            setState((before) => ({
                playing: !video.paused && !video.ended,
                waiting: waitingAfter(event.type, video, before.waiting),
                ended: video.ended,
                started: before.started || event.type === "play" || video.currentTime > 0,
                position: video.currentTime,
                duration: video.duration,
                bufferedTo: bufferedEnd(video),
                volume: video.volume,
                muted: video.muted,
            }));
        };
        for (const name of EVENTS) video.addEventListener(name, read);
        return () => {
            for (const name of EVENTS) video.removeEventListener(name, read);
        };
    }, [ref]);
    return state;
}

function waitingAfter(event: string, video: HTMLVideoElement, before: boolean): boolean {
    if (video.paused || video.ended) return false;
    if (event === "waiting") return true;
    if (event === "playing" || event === "canplay" || event === "seeked") return false;
    return before && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
}

// The end of the range that the position lies in.
function bufferedEnd(video: HTMLVideoElement): number {
    const { buffered, currentTime } = video;
    for (let i = 0; i < buffered.length; i += 1) {
        if (buffered.start(i) <= currentTime + 0.3 && currentTime <= buffered.end(i))
            return buffered.end(i);
    }
    return currentTime;
}
