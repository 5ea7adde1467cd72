import { render } from "preact";
import { useEffect } from "preact/hooks";

import { AnalyticsPage } from "./analytics/analytics_page";
import { LibraryPage } from "./library/library_page";
import { inWords } from "./api/problem";
import { analyticsPath, route, startRouter } from "./lib/router";
import { useStore } from "./lib/store";
import { loadSession, session, signOut } from "./session/session";
import { SignInPage } from "./session/sign_in_page";
import { library } from "./studio";
import { ChartIcon, Logo, SignOutIcon } from "./ui/icons";
import { Toasts, toast } from "./ui/toasts";
import { Message, WatchPage } from "./watch/watch_page";

function App() {
    const where = useStore(route);
    const who = useStore(session);
    useEffect(() => void loadSession(), []);
    const bare = who.status === "out" && (where.page === "library" || where.page === "analytics");
    return (
        <>
            <a class="skip-link" href="#content">
                Skip to content
            </a>
            {!bare && <Header />}
            <div id="content" tabIndex={-1}>
                <Page />
            </div>
            <Toasts />
        </>
    );
}

function Page() {
    const where = useStore(route);
    const who = useStore(session);
    if (who.status === "unknown") return <main class="page" aria-busy="true" />;
    if (who.status === "unreachable") {
        return (
            <Message
                title="Vora does not answer"
                text="Check that it is running."
                action="Try again"
                onAction={() => void loadSession()}
            />
        );
    }
    if (where.page === "watch") return <WatchPage id={where.id} />;
    if (where.page === "unknown") {
        return <Message title="Nothing here" text="This page does not exist." />;
    }
    if (who.status !== "in") return <SignInPage />;
    return where.page === "analytics" ? <AnalyticsPage key={where.id} id={where.id} /> : <LibraryPage />;
}

function Header() {
    const who = useStore(session);
    const leave = async (): Promise<void> => {
        try {
            await signOut();
            library.close();
            library.forgetAll();
        } catch (error) {
            toast(inWords(error), "error");
        }
    };
    return (
        <header class="header">
            <a class="brand" href="/" aria-label="Vora, all videos">
                <Logo size={30} />
                <span>Vora</span>
            </a>
            <span class="spacer" />
            {who.status === "in" && (
                <>
                    <a class="header-link" href={analyticsPath(null)} data-testid="analytics-link">
                        <ChartIcon size={18} /> Analytics
                    </a>
                    <span class="who" title={`Signed in as ${who.info.subject}`}>
                        {who.info.subject}
                    </span>
                    <button
                        type="button"
                        class="icon-button"
                        aria-label="Sign out"
                        title="Sign out"
                        data-testid="sign-out"
                        onClick={() => void leave()}
                    >
                        <SignOutIcon size={20} />
                    </button>
                </>
            )}
        </header>
    );
}

startRouter();
const root = document.getElementById("app");
if (root) render(<App />, root);
