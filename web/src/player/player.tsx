import { useEffect, useRef, useState } from "preact/hooks";

import { useObserver } from "../events/use_observer";
import { useStore, Store } from "../lib/store";
import { AlertIcon, PlayIcon } from "../ui/icons";
import { publish } from "./automation";
import { Controls } from "./controls";
import {
    type Engine,
    type EngineState,
    type PlaybackFailure,
    emptyState,
    makeEngine,
} from "./engine";
import { useMediaState } from "./media_state";
import { type Action, actionOf, targetKind } from "./shortcuts";

interface Props {
    videoId: string; // under which playback is reported
    manifest: string;
    poster: string | null;
    title: string;
    ratio: number; // width / height of the picture
    onRetry: () => void;
}

const IDLE_MS = 2_600;
const noEngine = new Store<EngineState>(emptyState());

export function Player({ videoId, manifest, poster, title, ratio, onRetry }: Props) {
    const frame = useRef<HTMLDivElement>(null);
    const video = useRef<HTMLVideoElement>(null);
    const [engine, setEngine] = useState<Engine | null>(null);
    const [loadFailed, setLoadFailed] = useState(false);
    const state = useStore(engine?.state ?? noEngine);
    const media = useMediaState(video);
    const fullscreen = useFullscreen(frame);
    const idle = useIdle(frame, media.playing);
    // Before the engine's own effect: it reports what was played before the engine is taken away.
    useObserver(video, engine, videoId, loadFailed);

    useEffect(() => {
        const element = video.current;
        if (!element) return undefined;
        let current = true;
        let made: Engine | null = null;
        let unpublish = (): void => undefined;
        makeEngine(element, manifest).then(
            (e) => {
                if (!current) return e.destroy();
                made = e;
                unpublish = publish(e);
                setEngine(e);
            },
            () => current && setLoadFailed(true),
        );
        return () => {
            current = false;
            unpublish();
            made?.destroy();
        };
    }, [manifest]);

    const toggle = (): void => {
        const element = video.current;
        if (!element) return;
        if (element.paused || element.ended) void element.play().catch(() => undefined);
        else element.pause();
    };

    useEffect(() => {
        const onKey = (event: KeyboardEvent): void => {
            const element = video.current;
            if (!element || event.defaultPrevented || document.querySelector("dialog[open]"))
                return;
            const modified = event.ctrlKey || event.altKey || event.metaKey;
            const action = actionOf({
                key: event.key,
                modified,
                target: targetKind(document.activeElement),
            });
            // Arrows up and down scroll the page unless the player is what has the focus.
            if (
                !action ||
                (action.kind === "volume_by" && !frame.current?.contains(document.activeElement))
            )
                return;
            event.preventDefault();
            perform(action, element, toggle, fullscreen.toggle);
        };
        document.addEventListener("keydown", onKey);
        return () => document.removeEventListener("keydown", onKey);
    });

    const failure: PlaybackFailure | null = loadFailed ? "network" : state.failure;
    return (
        <div
            ref={frame}
            class={`player${idle ? " player-idle" : ""}${fullscreen.active ? " player-full" : ""}`}
            style={{ "--ratio": String(ratio) }}
            role="group"
            aria-label={`Player: ${title}`}
        >
            <video
                ref={video}
                data-testid="watch-video"
                playsInline
                preload="metadata"
                poster={poster ?? undefined}
                aria-label={title}
                tabIndex={0}
                controls={!fullscreen.toggle}
                onClick={toggle}
                onDblClick={() => fullscreen.toggle?.()}
            />
            {media.waiting && !failure && (
                <span class="spinner" role="status" aria-label="Loading" />
            )}
            {!media.started && !failure && fullscreen.toggle && (
                <button
                    type="button"
                    class="big-play"
                    aria-label="Play"
                    data-testid="big-play"
                    onClick={toggle}
                >
                    <PlayIcon size={38} />
                </button>
            )}
            {failure && <Failure failure={failure} onRetry={onRetry} />}
            {fullscreen.toggle && !failure && (
                <Controls
                    video={video}
                    media={media}
                    engine={state}
                    fullscreen={fullscreen.active}
                    onToggle={toggle}
                    onFullscreen={fullscreen.toggle}
                    onLevel={(name) => engine?.choose(name)}
                />
            )}
        </div>
    );
}

const FAILURES: Record<PlaybackFailure, string> = {
    gone: "This video can no longer be played here. It may have been removed or made private.",
    network: "The video does not load. Check the connection and try again.",
    media: "This browser cannot play the video.",
};

function Failure({ failure, onRetry }: { failure: PlaybackFailure; onRetry: () => void }) {
    return (
        <div class="player-failure" role="alert" data-testid="player-error" data-failure={failure}>
            <AlertIcon size={34} />
            <p>{FAILURES[failure]}</p>
            <button type="button" class="button" onClick={onRetry}>
                Try again
            </button>
        </div>
    );
}

function perform(
    action: Action,
    video: HTMLVideoElement,
    toggle: () => void,
    fullscreen: (() => void) | null,
): void {
    const length = Number.isFinite(video.duration) ? video.duration : 0;
    switch (action.kind) {
        case "toggle":
            return toggle();
        case "mute":
            video.muted = !video.muted;
            return;
        case "fullscreen":
            return fullscreen?.();
        case "seek_by":
            video.currentTime = Math.min(length, Math.max(0, video.currentTime + action.seconds));
            return;
        case "seek_to":
            video.currentTime = length * action.fraction;
            return;
        case "volume_by":
            video.volume = Math.min(1, Math.max(0, video.volume + action.amount));
            video.muted = video.volume === 0;
            return;
    }
}

type ElementRef = { readonly current: HTMLElement | null };

// `toggle` is null where only the <video> itself can fill the screen (phones): there the browser's
// own controls are shown.
function useFullscreen(frame: ElementRef): { active: boolean; toggle: (() => void) | null } {
    const [active, setActive] = useState(false);
    useEffect(() => {
        const read = (): void => setActive(document.fullscreenElement === frame.current);
        document.addEventListener("fullscreenchange", read);
        return () => document.removeEventListener("fullscreenchange", read);
    }, [frame]);
    const able = typeof HTMLElement.prototype.requestFullscreen === "function";
    const toggle = (): void => {
        const done = document.fullscreenElement
            ? document.exitFullscreen()
            : (frame.current?.requestFullscreen() ?? Promise.resolve());
        void done.catch(() => undefined);
    };
    return { active, toggle: able ? toggle : null };
}

// True while it plays and nobody moves a pointer or has the focus on the controls.
function useIdle(frame: ElementRef, playing: boolean): boolean {
    const [idle, setIdle] = useState(false);
    useEffect(() => {
        const element = frame.current;
        if (!element) return undefined;
        let timer: ReturnType<typeof setTimeout> | undefined;
        const awake = (): void => {
            setIdle(false);
            clearTimeout(timer);
            if (playing) timer = setTimeout(() => setIdle(true), IDLE_MS);
        };
        awake();
        const events = ["pointermove", "pointerdown", "keydown", "focusin"];
        for (const name of events) element.addEventListener(name, awake);
        return () => {
            clearTimeout(timer);
            for (const name of events) element.removeEventListener(name, awake);
        };
    }, [frame, playing]);
    return idle;
}
