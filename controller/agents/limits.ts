/** Every bound of the traffic with agents: sizes in bytes, times in milliseconds. */

/** Largest message of an agent: a list of a thousand blobs has a hundredth of it. */
export const AGENT_ANSWER_MAX_BYTES = 4 * 1024 * 1024;
/** Time for one question. */
export const QUESTION_TIMEOUT_MS = 2_000;
/** Questions at the same time, over all agents. */
export const QUESTIONS_AT_ONCE = 32;
/** How long an answer is believed. */
export const ANSWER_MAX_AGE_MS = 60_000;
/** How long an agent that gave no answer is left alone. */
export const SILENT_AGENT_PAUSE_MS = 30_000;
/** Answers that are kept; past it, the oldest go. */
export const ANSWERS_MAX = 50_000;
/** An import that tells of no progress for so long is given up; agents tell of it twice a second. */
export const IMPORT_SILENCE_MS = 30_000;
/** Time for a cancellation. */
export const CANCEL_TIMEOUT_MS = 10_000;
