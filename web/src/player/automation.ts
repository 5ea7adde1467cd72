// window.voraPlayer: the one global, for tests and automation. It reads, and sets the quality as
// the menu does; nothing else.

import type { Engine } from "./engine";
import { AUTO } from "./levels";

export interface VoraPlayer {
    engine(): string;
    levels(): string[];
    currentLevel(): string | null;
    chosenLevel(): string;
    setLevel(name: string): boolean;
}

declare global {
    interface Window {
        voraPlayer?: VoraPlayer;
    }
}

export function publish(engine: Engine): () => void {
    const player: VoraPlayer = Object.freeze({
        engine: () => engine.kind,
        levels: () => engine.state.value.levels.map((l) => l.name),
        currentLevel: () => engine.state.value.current,
        chosenLevel: () => engine.state.value.chosen,
        setLevel(name: string) {
            const known = name === AUTO || engine.state.value.levels.some((l) => l.name === name);
            if (known) engine.choose(name);
            return known;
        },
    });
    Object.defineProperty(window, "voraPlayer", {
        value: player,
        configurable: true,
        enumerable: true,
    });
    return () => {
        if (window.voraPlayer === player) delete window.voraPlayer;
    };
}
