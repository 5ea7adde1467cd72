import type { RefObject } from "preact";

import { clock, spokenDuration } from "../lib/format";
import {
    FullscreenIcon,
    MutedIcon,
    PauseIcon,
    PipIcon,
    PlayIcon,
    ShrinkIcon,
    VolumeIcon,
} from "../ui/icons";
import type { EngineState } from "./engine";
import { AUTO } from "./levels";
import type { MediaState } from "./media_state";

interface Props {
    video: RefObject<HTMLVideoElement | null>;
    media: MediaState;
    engine: EngineState;
    fullscreen: boolean;
    onToggle: () => void;
    onFullscreen: (() => void) | null;
    onLevel: (name: string) => void;
}

export function Controls({
    video,
    media,
    engine,
    fullscreen,
    onToggle,
    onFullscreen,
    onLevel,
}: Props) {
    const silent = media.muted || media.volume === 0;
    const toggleMute = (): void => {
        const element = video.current;
        if (element) element.muted = !element.muted;
    };
    return (
        <div class="controls">
            <SeekBar video={video} media={media} />
            <div class="controls-row">
                <button
                    type="button"
                    class="control"
                    aria-label={media.playing ? "Pause" : "Play"}
                    data-testid="play-toggle"
                    onClick={onToggle}
                >
                    {media.playing ? <PauseIcon size={22} /> : <PlayIcon size={22} />}
                </button>
                <div class="volume">
                    <button
                        type="button"
                        class="control"
                        aria-label={silent ? "Sound on" : "Sound off"}
                        onClick={toggleMute}
                    >
                        {silent ? <MutedIcon size={22} /> : <VolumeIcon size={22} />}
                    </button>
                    <input
                        class="slider volume-slider"
                        type="range"
                        min={0}
                        max={1}
                        step={0.05}
                        aria-label="Volume"
                        value={silent ? 0 : media.volume}
                        style={{ "--filled": `${silent ? 0 : media.volume * 100}%` }}
                        onInput={(event) => {
                            const element = video.current;
                            if (!element) return;
                            element.volume = Number(event.currentTarget.value);
                            element.muted = element.volume === 0;
                        }}
                    />
                </div>
                <span class="time" data-testid="watch-time">
                    {clock(media.position)}{" "}
                    <span class="time-total">/ {clock(media.duration)}</span>
                </span>
                <span class="spacer" />
                <SpeedMenu video={video} />
                <QualityMenu engine={engine} onLevel={onLevel} />
                {document.pictureInPictureEnabled && (
                    <button
                        type="button"
                        class="control control-wide-only"
                        aria-label="Picture in picture"
                        onClick={() => void togglePictureInPicture(video.current)}
                    >
                        <PipIcon size={22} />
                    </button>
                )}
                {onFullscreen && (
                    <button
                        type="button"
                        class="control"
                        aria-label={fullscreen ? "Leave full screen" : "Full screen"}
                        data-testid="fullscreen-toggle"
                        onClick={onFullscreen}
                    >
                        {fullscreen ? <ShrinkIcon size={22} /> : <FullscreenIcon size={22} />}
                    </button>
                )}
            </div>
        </div>
    );
}

async function togglePictureInPicture(video: HTMLVideoElement | null): Promise<void> {
    try {
        if (document.pictureInPictureElement) await document.exitPictureInPicture();
        else await video?.requestPictureInPicture();
    } catch {
        // Refused by the browser (no data yet, or by its policy): nothing to do.
    }
}

function SeekBar({ video, media }: Pick<Props, "video" | "media">) {
    const length = Number.isFinite(media.duration) ? media.duration : 0;
    const part = (seconds: number): string => `${length > 0 ? (100 * seconds) / length : 0}%`;
    return (
        <input
            class="slider seek"
            type="range"
            min={0}
            max={length || 1}
            step="any"
            disabled={length === 0}
            aria-label="Position"
            aria-valuetext={`${spokenDuration(media.position)} of ${spokenDuration(length)}`}
            data-testid="watch-seek"
            value={media.position}
            style={{ "--filled": part(media.position), "--loaded": part(media.bufferedTo) }}
            onKeyDown={(event) => {
                // The browser's own steps of a slider without steps are too fine.
                const by = {
                    ArrowLeft: -5,
                    ArrowDown: -5,
                    ArrowRight: 5,
                    ArrowUp: 5,
                    PageDown: -30,
                    PageUp: 30,
                };
                const seconds = by[event.key as keyof typeof by];
                if (seconds === undefined || !video.current) return;
                event.preventDefault();
                video.current.currentTime = Math.min(
                    length,
                    Math.max(0, video.current.currentTime + seconds),
                );
            }}
            onInput={(event) => {
                if (video.current) video.current.currentTime = Number(event.currentTarget.value);
            }}
        />
    );
}

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];

function SpeedMenu({ video }: Pick<Props, "video">) {
    return (
        <select
            class="menu control-wide-only"
            aria-label="Speed"
            onChange={(event) => {
                if (video.current) video.current.playbackRate = Number(event.currentTarget.value);
            }}
        >
            {SPEEDS.map((s) => (
                <option key={s} value={s} selected={s === 1}>
                    {s}×
                </option>
            ))}
        </select>
    );
}

function QualityMenu({ engine, onLevel }: Pick<Props, "engine" | "onLevel">) {
    const auto = engine.chosen === AUTO && engine.current ? `Auto (${engine.current})` : "Auto";
    return (
        <select
            class="menu"
            aria-label="Quality"
            data-testid="quality-menu"
            value={engine.chosen}
            disabled={engine.levels.length === 0}
            onChange={(event) => onLevel(event.currentTarget.value)}
        >
            <option value={AUTO} selected={engine.chosen === AUTO}>
                {auto}
            </option>
            {engine.levels.map((level) => (
                <option key={level.name} value={level.name} selected={engine.chosen === level.name}>
                    {level.name}
                </option>
            ))}
        </select>
    );
}
