// A value that components can watch.

import { useEffect, useState } from "preact/hooks";

export class Store<T> {
    private listeners = new Set<() => void>();

    constructor(private current: T) {}

    get value(): T {
        return this.current;
    }

    set(next: T): void {
        if (Object.is(next, this.current)) return;
        this.current = next;
        for (const listener of [...this.listeners]) listener();
    }

    update(change: (current: T) => T): void {
        this.set(change(this.current));
    }

    subscribe(listener: () => void): () => void {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }
}

export function useStore<T>(store: Store<T>): T {
    const [value, setValue] = useState(store.value);
    useEffect(() => {
        const take = (): void => setValue(() => store.value);
        take();
        return store.subscribe(take);
    }, [store]);
    return value;
}
