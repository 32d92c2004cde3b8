/** Every bound of the traffic with agents: sizes in bytes, times in milliseconds. */

/** Largest message of an agent: a list of a thousand blobs has a hundredth of it. */
export const AGENT_ANSWER_MAX_BYTES = 4 * 1024 * 1024;
/** Time for one question. */
export const QUESTION_TIMEOUT_MS = 2_000;
/** Questions at the same time, over all agents; never two to the same. */
export const QUESTIONS_AT_ONCE = 32;
/** How long an answer is believed, counted from when it came; a timeout is one, too: the agent has the question. */
export const ANSWER_MAX_AGE_MS = 60_000;
/**
 * How long it is believed that a node has not got something. Its status tells when that changes, see
 * `AgentQuestions.forget`; otherwise a name that nobody knows would have every agent asked once a minute.
 */
export const ABSENCE_MAX_AGE_MS = 5 * 60_000;
/** How long an agent that gave no answer is left alone. */
export const SILENT_AGENT_PAUSE_MS = 30_000;
/** Answers that are kept; past it, the oldest go. */
export const ANSWERS_MAX = 50_000;
/** An import that tells of no progress for so long is given up; agents tell of it twice a second. */
export const IMPORT_SILENCE_MS = 30_000;
/** Clients of agents that are kept, each with a connection of 80 KiB; past it, those go that have been idle longest. */
export const CLIENTS_MAX = 256;
/** A connection to an agent over which nothing went for so long is closed; agents close theirs a little later. */
export const CONNECTION_IDLE_MS = 30_000;
/** Time for a cancellation. */
export const CANCEL_TIMEOUT_MS = 10_000;
