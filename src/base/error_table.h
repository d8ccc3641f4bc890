/*
 * error_table.h
 *	  Every error that murallink raises by itself, in one place: the name that
 *	  C uses, the stable name that clients see, the SQLSTATE, the message and
 *	  the hint (NULL: none).
 *
 * PostgREST turns PTxyz into HTTP status xyz. 40001 and 42501 are not used,
 * because PostgREST retries the first and turns the second into 401.
 */
/* clang-format off */
ERROR_ROW(INVALID_REQUEST, "invalid_request", "PT400", "the request is not well formed", "A request is a JSON object with the keys action, session_id, payload and idempotency_key.")
ERROR_ROW(UNKNOWN_KEY, "unknown_key", "PT400", "the request has a key that this action does not have", "Check the spelling: unknown keys are refused so that no value is silently ignored.")
ERROR_ROW(MISSING_FIELD, "missing_field", "PT400", "a required field is missing or empty", "The function's description lists its arguments.")
ERROR_ROW(WRONG_TYPE, "wrong_type", "PT400", "a field has the wrong JSON type", NULL)
ERROR_ROW(INVALID_VALUE, "invalid_value", "PT400", "a field has a value that is not allowed", "The function's description says which values are allowed.")
ERROR_ROW(TOO_LONG, "too_long", "PT400", "a field is longer than allowed", NULL)
ERROR_ROW(INVALID_UID, "invalid_uid", "PT400", "a field is not a valid uid", "A uid has 27 characters from 0-9, A-Z and a-z.")
ERROR_ROW(INVALID_AMOUNT, "invalid_amount", "PT400", "the amount cannot be paid", "An amount must be greater than 0 and less than 10^12, with no more decimals than its currency has.")
ERROR_ROW(UNKNOWN_CURRENCY, "unknown_currency", "PT400", "the currency is unknown", "Use a three-letter code of ISO 4217, such as USD.")
ERROR_ROW(INSECURE_URL, "insecure_url", "PT400", "a partner's URL must use https, unless it points to this machine", NULL)
ERROR_ROW(WRONG_ISOLATION, "wrong_isolation", "PT400", "changes require the isolation level READ COMMITTED", "Use READ COMMITTED, which is PostgREST's default. Reading is possible at every level.")
ERROR_ROW(TRIGGERS_OFF, "triggers_off", "PT400", "functions change nothing while triggers are disabled", "Set session_replication_role to origin: with replica, murallink's rules are not enforced.")
ERROR_ROW(UNKNOWN_PERMISSION, "unknown_permission", "PT400", "there is no such permission", "list_permissions returns all permissions.")
ERROR_ROW(INVALID_EMAIL, "invalid_email", "PT400", "the e-mail address is not valid", "An address looks like name@example.com. Before the @ it has letters of ASCII only.")
ERROR_ROW(WEAK_PASSWORD, "weak_password", "PT400", "the password is too short or too long", "A password must have 8 to 1024 bytes.")
ERROR_ROW(INVALID_TOKEN, "invalid_token", "PT400", "the token is wrong, used or expired", "request_password_reset sends a new one.")
ERROR_ROW(UNAUTHENTICATED, "unauthenticated", "PT401", "a valid session is required", "Call login and send its session_id, or send an API key or a token of the identity provider; in SQL, call authenticate(session_id) in each transaction.")
ERROR_ROW(WRONG_ACCESS_KEY, "wrong_access_key", "PT401", "the access key of the webhook is wrong", "Send the secret webhook_access_key of configure_partner. No session is needed.")
ERROR_ROW(LOGIN_FAILED, "login_failed", "PT401", "the e-mail address or the password is wrong", NULL)
ERROR_ROW(INSUFFICIENT_FUNDS, "insufficient_funds", "PT402", "the contract does not have enough funds in this currency", "Add funding to the contract, or reject or cancel payments that reserve funds.")
ERROR_ROW(FORBIDDEN, "forbidden", "PT403", "you do not have the required permission", "The function's description names the permission that it needs.")
ERROR_ROW(GUARDED, "guarded", "PT403", "only murallink's own functions may change this", "Call the function that makes this change.")
ERROR_ROW(APPEND_ONLY, "append_only", "PT403", "records of this kind cannot be changed or deleted", NULL)
ERROR_ROW(NOT_FOUND, "not_found", "PT404", "there is no such resource", "The uid may be wrong, or belong to another kind of resource, or to one that you may not see.")
ERROR_ROW(UNKNOWN_ACTION, "unknown_action", "PT404", "there is no such action", "Check the spelling. Functions for operators are actions only for members of murallink_operator.")
ERROR_ROW(ALREADY_EXISTS, "already_exists", "PT409", "it already exists", NULL)
ERROR_ROW(CONFLICT, "conflict", "PT409", "the request conflicts with existing data or with a concurrent change", "Read the data again, then decide whether to repeat the request.")
ERROR_ROW(IN_USE, "in_use", "PT409", "something else depends on this", "Delete what depends on it first. Enrollments, schedules and funding cannot be deleted.")
ERROR_ROW(ALREADY_PAID, "already_paid", "PT409", "this milestone has been paid as often as the schedule allows", "payable_milestones shows what is left, and complete_payment pays the rest of a part.")
ERROR_ROW(NOT_PAYABLE, "not_payable", "PT409", "no version of this milestone is in force that can be paid", "get_payment_schedule shows the versions in force.")
ERROR_ROW(NOT_ENROLLED, "not_enrolled", "PT409", "the patient is not enrolled in this trial at this site", "Call enroll first.")
ERROR_ROW(DROPPED, "dropped", "PT409", "the patient was dropped before this visit", "Visits up to the day of dropping can be paid: send visit_date.")
ERROR_ROW(NOT_ASSOCIATED, "not_associated", "PT409", "the site does not take part in this trial", "add_trial_site adds the site to the trial.")
ERROR_ROW(WRONG_STATUS, "wrong_status", "PT409", "the status does not allow this step", "It may have been done already: read the current status. The function's description says which status it needs.")
ERROR_ROW(SAME_PERSON, "same_person", "PT409", "this trial requires approval by another person", "Ask another user who may approve.")
ERROR_ROW(IDEMPOTENCY_CONFLICT, "idempotency_conflict", "PT409", "this idempotency key was used for another request", "Use a new key for each new request.")
ERROR_ROW(NOT_COVERED, "not_covered", "PT409", "the contract does not cover this day", "Only days of the contract are paid: send the visit_date of an earlier visit, or have the contract's dates or enforce_dates changed.")
ERROR_ROW(DAY_CAPPED, "day_capped", "PT409", "the payments for visits of this day have reached the cap", "Visits of other days can be paid, and manual payments have no cap. set_day_cap changes the cap.")
ERROR_ROW(LOCKED_OUT, "locked_out", "PT423", "too many failed logins: the account is temporarily locked", "Wait, or set a new password with request_password_reset and reset_password.")
ERROR_ROW(BLOCKED, "blocked", "PT503", "another transaction blocks this and does not end", "Nothing was done. Try again later.")
ERROR_ROW(BUSY, "busy", "PT503", "the server is busy", "Try again in a second.")
ERROR_ROW(NO_KEY, "no_key", "PT503", "there is no key to which accounts of payees can be sealed", "An operator sets murallink.key_file, and calls rotate_payout_key.")
ERROR_ROW(NOT_INSTALLED, "not_installed", "PT503", "murallink's tables are not installed in this database", "Run SELECT murallink.install();")
ERROR_ROW(SIGN_ON_REQUIRED, "sign_on_required", "PT401", "this trial requires a fresh sign-on for approval", "Call login, and approve with the new session_id, or sign on at the identity provider again; or send the password.")
ERROR_ROW(UNKNOWN_DATA_VERSION, "unknown_data_version", "PT503", "murallink's tables have a version that the installed library does not support", "Run SELECT murallink.upgrade(); or install the matching version of the library.")
/* clang-format on */
