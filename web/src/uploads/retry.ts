// Which answers of the upload service are worth another try. 0: no answer.
// 409: our offset was behind (a lost answer); 423: the previous connection still holds the upload.
export function isTransient(status: number): boolean {
    return (
        status === 0 ||
        status >= 500 ||
        status === 408 ||
        status === 409 ||
        status === 423 ||
        status === 429
    );
}
