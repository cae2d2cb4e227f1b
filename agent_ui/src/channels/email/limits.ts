/** What one mail of ours may hold; the server checks the same. */

/** Files together, bytes: the mail on the wire stays under 25 MiB, where they take a third more. */
export const FILES_BYTES = 18 * 1024 * 1024;
export const TEXT_CHARACTERS = 16_000;
export const SUBJECT_CHARACTERS = 1_000;
