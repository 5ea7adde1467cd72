import { useEffect, useMemo, useState } from "preact/hooks";

import { inWords } from "../api/problem";
import type { Video } from "../api/types";
import { percent, remaining } from "../lib/format";
import { useStore } from "../lib/store";
import { failureInWords, stageInWords, stateWord } from "../lib/words";
import { pageSettings } from "../page_settings";
import { Player } from "../player/player";
import { mayEdit, session } from "../session/session";
import { SignInPage } from "../session/sign_in_page";
import { uploads } from "../studio";
import { AlertIcon, BackIcon, FilmIcon, UploadIcon } from "../ui/icons";
import { ProgressBar } from "../ui/progress_bar";
import { sentPercent } from "../uploads/queue";
import { Details } from "./details";
import { Headline } from "./headline";
import { WatchModel } from "./watch_model";

export function WatchPage({ id }: { id: string }) {
    const who = useStore(session);
    // Signing in or out changes what may be seen.
    const model = useMemo(() => new WatchModel(id, pageSettings().playBase), [id, who.status]);
    const state = useStore(model.state);

    useEffect(() => {
        model.open();
        return () => model.close();
    }, [model]);

    useEffect(() => {
        document.title = state.kind === "own" ? `${state.video.title} · Vora` : "Vora";
    }, [state]);

    switch (state.kind) {
        case "loading":
            return (
                <main class="page watch" aria-busy="true">
                    <div class="stage stage-blank" />
                </main>
            );
        case "missing":
            return who.status === "out" ? <MissingForStranger /> : <Missing />;
        case "error":
            return (
                <Message
                    title="This video cannot be shown now"
                    text={inWords(state.error)}
                    action="Try again"
                    onAction={() => void model.renew()}
                />
            );
        case "public":
            return (
                <main class="page watch">
                    <div class="stage">
                        <Player
                            videoId={id}
                            manifest={state.source.manifest}
                            poster={state.source.poster}
                            title="Video"
                            ratio={16 / 9}
                            onRetry={() => void model.renew()}
                        />
                    </div>
                </main>
            );
        case "own":
            return (
                <OwnVideo
                    model={model}
                    video={state.video}
                    source={state.source}
                    editor={mayEdit(who)}
                />
            );
    }
}

interface OwnProps {
    model: WatchModel;
    video: Video;
    source: { manifest: string; poster: string | null } | null;
    editor: boolean;
}

function OwnVideo({ model, video, source, editor }: OwnProps) {
    const ratio = video.width && video.height ? video.width / video.height : 16 / 9;
    return (
        <main class="page watch" data-testid="watch-page" data-state={video.state}>
            <a class="back" href="/">
                <BackIcon size={18} /> All videos
            </a>
            <div class="stage">
                {source ? (
                    <Player
                        videoId={video.id}
                        manifest={source.manifest}
                        poster={source.poster}
                        title={video.title}
                        ratio={ratio}
                        onRetry={() => void model.renew()}
                    />
                ) : (
                    <NotYet video={video} />
                )}
            </div>
            <div class="watch-columns">
                <Headline video={video} editor={editor} onChange={(v) => model.put(v)} />
                <Details video={video} />
            </div>
        </main>
    );
}

// In place of the player while there is nothing to play.
function NotYet({ video }: { video: Video }) {
    const items = useStore(uploads.items);
    if (video.state === "FAILED") {
        return (
            <div
                class="not-yet not-yet-failed"
                role="alert"
                data-testid="watch-error"
                data-code={video.error?.code}
            >
                <AlertIcon size={40} />
                <h2>{failureInWords(video.error)}</h2>
                {video.error?.detail && <p class="muted">{video.error.detail}</p>}
            </div>
        );
    }
    const upload = items.find((i) => i.videoId === video.id) ?? null;
    const processing = video.state === "PROCESSING";
    const sent = upload ? sentPercent(upload) : null;
    const done = processing ? (video.progress ? percent(video.progress.percent) : null) : sent;
    const words = processing
        ? [
              stageInWords(video.progress),
              done === null ? "" : `${Math.floor(done)} %`,
              remaining(video.progress?.eta_s),
          ]
        : [
              upload ? "Uploading" : stateWord(video.state),
              sent === null ? "" : `${Math.floor(sent)} %`,
          ];
    return (
        <div class="not-yet" data-testid="watch-pending">
            {processing ? <FilmIcon size={40} /> : <UploadIcon size={40} />}
            <h2>
                {processing ? "Being made ready" : upload ? "On its way" : "Waiting for its file"}
            </h2>
            {(processing || upload) && (
                <ProgressBar
                    percent={done}
                    label={`Progress of ${video.title}`}
                    testid="video-progress"
                />
            )}
            <p class="muted" data-testid="video-eta">
                {words.filter(Boolean).join(" · ")}
            </p>
        </div>
    );
}

function MissingForStranger() {
    const [signingIn, setSigningIn] = useState(false);
    if (signingIn) return <SignInPage />;
    return (
        <Message
            title="This video is not here"
            text="It does not exist, or it is private. If it is yours, sign in."
            action="Sign in"
            onAction={() => setSigningIn(true)}
        />
    );
}

function Missing() {
    return <Message title="This video is not here" text="It does not exist, or it was deleted." />;
}

interface MessageProps {
    title: string;
    text: string;
    action?: string;
    onAction?: () => void;
}

export function Message({ title, text, action, onAction }: MessageProps) {
    return (
        <main class="page message" data-testid="watch-missing">
            <FilmIcon size={44} />
            <h1>{title}</h1>
            <p class="muted">{text}</p>
            {action ? (
                <button type="button" class="button button-primary" onClick={onAction}>
                    {action}
                </button>
            ) : (
                <a class="button" href="/">
                    All videos
                </a>
            )}
        </main>
    );
}
