// What goes wrong between page and server, in one type: an HTTP problem (RFC 9457) or no answer at
// all.

export class ApiError extends Error {
    constructor(
        readonly status: number, // 0: no answer
        readonly code: string,
        readonly detail: string,
        readonly requestId: string | null = null,
    ) {
        super(detail || code);
        this.name = "ApiError";
    }
}

export async function errorOf(response: Response): Promise<ApiError> {
    let code = `http_${response.status}`;
    let detail = "";
    let requestId = response.headers.get("X-Request-Id");
    try {
        const body: unknown = await response.json();
        if (body && typeof body === "object") {
            const problem = body as Record<string, unknown>;
            if (typeof problem["code"] === "string") code = problem["code"];
            if (typeof problem["detail"] === "string") detail = problem["detail"];
            else if (typeof problem["title"] === "string") detail = problem["title"];
            if (typeof problem["request_id"] === "string") requestId = problem["request_id"];
        }
    } catch {
        // Not a problem document (a proxy's page): the status has to do.
    }
    return new ApiError(response.status, code, detail, requestId);
}

// One sentence for people.
export function inWords(error: unknown): string {
    if (!(error instanceof ApiError))
        return "Something went wrong in this page. Reload it and try again.";
    if (error.status === 0) return "The server does not answer. Check that Vora is running.";
    if (error.status === 401) return "You are signed out.";
    if (error.status === 403) return "Your token does not allow this.";
    if (error.status === 404) return "This no longer exists.";
    if (error.status === 412) return "Someone else changed this in the meantime.";
    if (error.status === 413) return "The file is larger than this server accepts.";
    if (error.status === 429) return "Too many attempts. Wait a moment and try again.";
    if (error.status >= 500) return "The server cannot do this right now. Try again in a moment.";
    return error.detail || `The server refused (${error.code}).`;
}
