// Who uses this browser: the cookie is HttpOnly, so the page asks.

import { api } from "../api/client";
import { ApiError } from "../api/problem";
import type { SessionInfo } from "../api/types";
import { Store } from "../lib/store";

export type Session =
    | { status: "unknown" }
    | { status: "out" }
    | { status: "in"; info: SessionInfo }
    | { status: "unreachable" };

export const session = new Store<Session>({ status: "unknown" });

export async function loadSession(): Promise<void> {
    try {
        session.set({ status: "in", info: await api.session() });
    } catch (error) {
        const out = error instanceof ApiError && error.status >= 400 && error.status < 500;
        session.set({ status: out ? "out" : "unreachable" });
    }
}

export async function signIn(token: string): Promise<void> {
    await api.signIn(token);
    await loadSession();
}

export async function signOut(): Promise<void> {
    await api.signOut();
    session.set({ status: "out" });
}

export const mayEdit = (s: Session): boolean => s.status === "in" && s.info.scope !== "view";
