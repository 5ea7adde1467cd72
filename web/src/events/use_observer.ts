import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

import type { Engine } from "../player/engine";
import { Observer } from "./observer";

// One view of one video, from when its player appears until it goes.
export function useObserver(
    video: RefObject<HTMLVideoElement | null>,
    engine: Engine | null,
    videoId: string,
    loadFailed: boolean,
): void {
    const observer = useRef<Observer | null>(null);
    useEffect(() => {
        if (!video.current) return undefined;
        const made = new Observer(video.current, videoId);
        observer.current = made;
        return () => {
            observer.current = null;
            made.stop();
        };
    }, [video, videoId]);
    useEffect(() => {
        if (engine) observer.current?.follow(engine);
    }, [engine, videoId]);
    useEffect(() => {
        if (loadFailed) observer.current?.failedToLoad();
    }, [loadFailed, videoId]);
}
