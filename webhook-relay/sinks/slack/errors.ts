/** What Slack's words for a failure ask for. */
export type SlackVerdict =
  /** nothing gets through until a person acts */
  | "disable"
  /** blocks are not taken: the same as plain text */
  | "plain"
  /** the message cannot be changed, or is gone: a new one */
  | "repost"
  /** it may pass */
  | "retry"
  /** the same, and it may have got through all the same */
  | "retry_unsure"
  | "throttle"
  /** a word that nobody knows: a few attempts */
  | "unknown";

/**
 * Errors of the Web API (https://docs.slack.dev/reference/methods/chat.postMessage, chat.update, conversations.history)
 * and of incoming webhooks (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
 */
const VERDICTS: Readonly<Record<Exclude<SlackVerdict, "unknown">, readonly string[]>> = {
  disable: [
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "missing_scope",
    "no_permission",
    "not_in_channel",
    "channel_not_found",
    "is_archived",
    "channel_is_archived",
    "not_allowed_token_type",
    "ekm_access_denied",
    "access_denied",
    "as_user_not_supported",
    "posting_to_general_channel_denied",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
    "two_factor_setup_required",
    "enterprise_is_restricted",
    "method_deprecated",
    "team_access_not_granted",
    // incoming webhooks
    "no_service",
    "no_service_id",
    "no_active_hooks",
    "no_team",
    "team_disabled",
    "invalid_token",
    "action_prohibited",
  ],
  plain: [
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_arguments",
    "invalid_payload",
    "invalid_attachments",
    "msg_too_long",
    "msg_blocks_too_long",
    "no_text",
    "user_not_found",
    "too_many_attachments",
    "metadata_too_large",
    "metadata_must_be_sent_from_app",
    "invalid_metadata_format",
    "invalid_metadata_schema",
  ],
  repost: [
    "message_not_found",
    "thread_not_found",
    "cant_update_message",
    "edit_window_closed",
    "is_inactive",
    "block_mismatch",
    "cannot_reply_to_message",
  ],
  retry: [
    "service_unavailable",
    "team_added_to_org",
    "org_login_required",
    "external_channel_migrating",
    "rollup_error",
    "update_failed",
  ],
  // "some aspect of the operation succeeded" cannot be excluded
  retry_unsure: ["internal_error", "fatal_error", "request_timeout"],
  throttle: ["ratelimited", "rate_limited", "message_limit_exceeded"],
};

const BY_ERROR: ReadonlyMap<string, SlackVerdict> = new Map(
  Object.entries(VERDICTS).flatMap(([verdict, errors]) =>
    errors.flatMap((error) => (isVerdict(verdict) ? [[error, verdict] as const] : [])),
  ),
);

/** What an error asks for. Pure. */
export function verdictOf(error: string): SlackVerdict {
  return BY_ERROR.get(error) ?? "unknown";
}

/** Every error that is known; others are no labels of metrics. */
export const KNOWN_ERRORS: readonly string[] = [...BY_ERROR.keys()];

/** What a person can do about an error, in one line; "" where the error says it all. */
export function adviceOn(error: string): string {
  switch (error) {
    case "not_in_channel":
      return "invite the app: /invite @<its name> in the channel";
    case "channel_not_found":
      return "use the channel's id, and invite the app when the channel is private";
    case "missing_scope":
      return "the app needs the bot scope chat:write; install it again after a change";
    case "invalid_auth":
    case "not_authed":
    case "token_revoked":
    case "token_expired":
    case "account_inactive":
      return "install the app again and put its bot token into tokenFile";
    case "is_archived":
    case "channel_is_archived":
      return "unarchive the channel or name another";
    case "no_service":
    case "no_active_hooks":
    case "invalid_token":
      return "make a new incoming webhook and put its address into urlFile";
    default:
      return "";
  }
}

function isVerdict(value: string): value is Exclude<SlackVerdict, "unknown"> {
  return Object.hasOwn(VERDICTS, value);
}
