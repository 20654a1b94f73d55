/** Flags of Node for the program; the only part of ensure.mjs that TypeScript files use. */
export declare const nodeFlags: readonly string[];
