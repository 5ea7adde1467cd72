// The library at "/", a video at "/watch/{id}", figures at "/analytics" and "/analytics/{id}".
// Links stay links; clicks on them are taken over so that running uploads survive a change of page.

import { Store } from "./store";

export type Route =
    | { page: "library" }
    | { page: "watch"; id: string }
    | { page: "analytics"; id: string | null }
    | { page: "unknown" };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function parseRoute(path: string): Route {
    if (path === "/" || path === "/index.html") return { page: "library" };
    if (/^\/analytics\/?$/.test(path)) return { page: "analytics", id: null };
    const match = /^\/(watch|analytics)\/([^/]+)\/?$/.exec(path);
    const id = match?.[2]?.toLowerCase();
    if (!id || !UUID.test(id)) return { page: "unknown" };
    return { page: match?.[1] === "watch" ? "watch" : "analytics", id };
}

export const watchPath = (id: string): string => `/watch/${id}`;
export const analyticsPath = (id: string | null): string => (id ? `/analytics/${id}` : "/analytics");

export const route = new Store<Route>({ page: "library" });

export function navigate(path: string): void {
    if (path !== location.pathname) history.pushState(null, "", path);
    route.set(parseRoute(path));
    window.scrollTo(0, 0);
    // Keyboard and screen reader go on at the new page, not at a link that is gone.
    requestAnimationFrame(() => document.getElementById("content")?.focus({ preventScroll: true }));
}

export function startRouter(): void {
    route.set(parseRoute(location.pathname));
    window.addEventListener("popstate", () => route.set(parseRoute(location.pathname)));
    document.addEventListener("click", (event) => {
        if (event.defaultPrevented || event.button !== 0) return;
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        const link = event.target instanceof Element ? event.target.closest("a") : null;
        if (
            !link ||
            link.origin !== location.origin ||
            link.target ||
            link.hasAttribute("download")
        )
            return;
        if (parseRoute(link.pathname).page === "unknown") return;
        event.preventDefault();
        navigate(link.pathname);
    });
}
