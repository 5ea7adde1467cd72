// The page for frames on other sites: the player and nothing else, without a session.

import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";

import { pageSettings } from "../page_settings";
import { Player } from "../player/player";
import { AlertIcon } from "../ui/icons";
import { type EmbedAddress, parseEmbedAddress } from "./address";

type State = "loading" | "ready" | "missing" | "away";

const addressNow = (): EmbedAddress | null =>
    parseEmbedAddress(location.pathname, location.hash);

function Embed() {
    const [address, setAddress] = useState(addressNow);
    useEffect(() => {
        const read = (): void => setAddress(addressNow());
        window.addEventListener("hashchange", read);
        return () => window.removeEventListener("hashchange", read);
    }, []);
    if (!address) return <Message state="missing" />;
    return <Video key={`${address.videoId} ${address.grant}`} address={address} />;
}

function Video({ address }: { address: EmbedAddress }) {
    const { videoId, grant } = address;
    const base = `${pageSettings().playBase}/play/${grant}/${videoId}`;
    const manifest = `${base}/master.m3u8`;
    const [state, setState] = useState<State>("loading");

    const look = useCallback(async () => {
        setState("loading");
        setState(await lookFor(manifest));
    }, [manifest]);
    useEffect(() => void look(), [look]);

    if (state !== "ready") return <Message state={state} onRetry={() => void look()} />;
    return (
        <div class="embed" data-testid="embed">
            <Player
                videoId={videoId}
                manifest={manifest}
                poster={`${base}/thumbnail.jpg`}
                title="Video"
                ratio={16 / 9}
                onRetry={() => void look()}
            />
        </div>
    );
}

async function lookFor(manifest: string): Promise<State> {
    try {
        const response = await fetch(manifest, { credentials: "omit", cache: "no-store" });
        if (response.ok) return "ready";
        return response.status < 500 ? "missing" : "away";
    } catch {
        return "away";
    }
}

function Message({ state, onRetry }: { state: State; onRetry?: () => void }) {
    if (state === "loading") return <div class="embed" aria-busy="true" />;
    return (
        <div class="embed">
            <div class="player">
                <div class="player-failure" role="alert" data-testid="embed-message" data-state={state}>
                    <AlertIcon size={34} />
                    <p>
                        {state === "missing"
                            ? "This video is not available."
                            : "The video does not load. Check the connection and try again."}
                    </p>
                    {state === "away" && (
                        <button type="button" class="button" onClick={onRetry}>
                            Try again
                        </button>
                    )}
                </div>
            </div>
        </div>
    );
}

const root = document.getElementById("app");
if (root) render(<Embed />, root);
