/** Parts of the tests that need more than the others. */
export type SystemPart = "test" | "bench" | "matrix";

/** Makes sure that what the parts need beyond npm is installed; installs it on Debian and Ubuntu as root, else throws SystemError. */
export declare function ensureSystem(parts: readonly SystemPart[], signal?: AbortSignal): Promise<void>;
