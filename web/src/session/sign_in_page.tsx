import { useState } from "preact/hooks";

import { ApiError, inWords } from "../api/problem";
import { AlertIcon, Logo } from "../ui/icons";
import { signIn } from "./session";

// Set by the server's redirect when a sign-in link did not work.
function linkMessage(): string | null {
    const why = new URLSearchParams(location.search).get("link");
    if (why === "limited") return "Too many attempts. Wait a minute and try again.";
    if (why === null) return null;
    return "This sign-in link was already used or has expired. Ask for a new one, or paste a token.";
}

export function SignInPage() {
    const [token, setToken] = useState("");
    const [busy, setBusy] = useState(false);
    const [message, setMessage] = useState<string | null>(linkMessage);

    const submit = async (event: Event): Promise<void> => {
        event.preventDefault();
        const pasted = token.trim();
        if (!pasted || busy) return;
        setBusy(true);
        try {
            await signIn(pasted);
            if (location.search) history.replaceState(null, "", location.pathname);
        } catch (error) {
            const refused =
                error instanceof ApiError && (error.status === 401 || error.status === 400);
            setMessage(
                refused ? "This token is not valid here. It may have expired." : inWords(error),
            );
            setBusy(false);
        }
    };

    return (
        <main class="sign-in" data-testid="sign-in">
            <div class="sign-in-card">
                <Logo size={52} />
                <h1>Sign in to Vora</h1>
                <p class="muted">
                    On the machine that runs Vora, type <code>vora studio</code>: it opens this page
                    signed in.
                </p>
                <div class="divider">
                    <span>or paste an API token</span>
                </div>
                <form onSubmit={submit}>
                    <label class="field">
                        <span class="field-label">API token</span>
                        <input
                            type="password"
                            name="token"
                            autocomplete="off"
                            spellcheck={false}
                            placeholder="eyJ…"
                            data-testid="sign-in-token"
                            aria-describedby="sign-in-hint"
                            value={token}
                            onInput={(event) => setToken(event.currentTarget.value)}
                        />
                    </label>
                    <p id="sign-in-hint" class="hint">
                        It lies in the file <code>api.token</code> of the data directory;{" "}
                        <code>vora token</code> makes more.
                    </p>
                    <div role="alert" data-testid="sign-in-error">
                        {message && (
                            <p class="notice notice-bad">
                                <AlertIcon size={18} />
                                <span>{message}</span>
                            </p>
                        )}
                    </div>
                    <button
                        class="button button-primary button-wide"
                        type="submit"
                        disabled={busy || !token.trim()}
                        data-testid="sign-in-submit"
                    >
                        {busy ? "Signing in…" : "Sign in"}
                    </button>
                </form>
            </div>
        </main>
    );
}
